"""What the default seccomp profile says, as data: the rules of podman's default profile, ordered by subject.

What is not named here fails with ENOSYS, as if the kernel were older.
"""

from __future__ import annotations

# Open to everyone, whatever the capabilities: the kernel checks these itself.
ALWAYS = {
    "files": """
        access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2
        fadvise64 fadvise64_64 fallocate fchdir fchmod fchmodat fchown fchown32 fchownat fcntl fcntl64 fdatasync flock
        fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futimesat getcwd getdents getdents64
        ioctl lchown lchown32 link linkat lseek _llseek lstat lstat64 mkdir mkdirat mknod mknodat name_to_handle_at
        newfstatat open openat openat2 pipe pipe2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead
        readdir readlink readlinkat readv rename renameat renameat2 rmdir sendfile sendfile64 splice stat stat64 statfs
        statfs64 statx symlink symlinkat sync sync_file_range syncfs tee truncate truncate64 umask unlink unlinkat
        utime utimensat utimensat_time64 utimes write writev""",
    "extended attributes": """
        fgetxattr flistxattr fremovexattr fsetxattr getxattr lgetxattr listxattr llistxattr lremovexattr lsetxattr
        removexattr setxattr""",
    "mounts and namespaces": """
        fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree pivot_root setns umount umount2
        unshare""",
    "waiting for events": """
        _newselect epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait
        epoll_wait_old eventfd eventfd2 fanotify_mark inotify_add_watch inotify_init inotify_init1 inotify_rm_watch
        io_cancel io_destroy io_getevents io_setup io_submit poll ppoll ppoll_time64 pselect6 pselect6_time64 select""",
    "memory": """
        brk get_mempolicy madvise mbind membarrier memfd_create memfd_secret mincore mlock mlock2 mlockall mmap mmap2
        mprotect mremap msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect remap_file_pages
        set_mempolicy""",
    "processes": """
        clone clone3 execve execveat exit exit_group fork getcpu getpgid getpgrp getpid getppid getpriority getrlimit
        getrusage getsid gettid get_robust_list get_thread_area ioprio_get ioprio_set kill pidfd_getfd pidfd_open
        pidfd_send_signal prctl prlimit64 process_mrelease process_vm_readv process_vm_writev ptrace rseq
        sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler
        sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam
        sched_setscheduler sched_yield set_robust_list set_thread_area set_tid_address setpgid setpriority setrlimit
        setsid tgkill times tkill ugetrlimit vfork wait4 waitid waitpid""",
    "users": """
        capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getresgid getresgid32
        getresuid getresuid32 getuid getuid32 setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups
        setgroups32 setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setuid
        setuid32""",
    "signals": """
        pause restart_syscall rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend
        rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaction sigaltstack signal signalfd signalfd4
        sigpending sigprocmask sigreturn sigsuspend""",
    "time": """
        adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64
        clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep setitimer time timer_create
        timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd
        timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64""",
    "communication between processes": """
        futex futex_time64 ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend
        mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64
        shmat shmctl shmdt shmget""",
    "sockets": """
        accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg recvmmsg_time64
        recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair""",
    "security": """
        keyctl landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp""",
    "the system": """
        getrandom reboot syscall sysinfo syslog uname""",
}

# Known, and refused with EPERM: old, dangerous, or of no use in a container.
REFUSED = """
    bdflush io_pgetevents kexec_file_load kexec_load migrate_pages move_pages nfsservctl nice oldfstat oldlstat
    oldolduname oldstat olduname pciconfig_iobase pciconfig_read pciconfig_write sgetmask ssetmask swapcontext swapoff
    swapon sysfs uselib userfaultfd ustat vm86 vm86old vmsplice"""

# Open to those who hold a capability, EPERM for all others.
BY_CAPABILITY = {
    "CAP_DAC_READ_SEARCH": "open_by_handle_at",
    "CAP_SYS_ADMIN": "bpf fanotify_init lookup_dcookie perf_event_open quotactl setdomainname sethostname",
    "CAP_SYS_CHROOT": "chroot",
    "CAP_SYS_MODULE": "delete_module finit_module init_module query_module",
    "CAP_SYS_PACCT": "acct",
    "CAP_SYS_PTRACE": "kcmp process_madvise",
    "CAP_SYS_RAWIO": "ioperm iopl",
    "CAP_SYS_TIME": "clock_settime clock_settime64 settimeofday stime",
    "CAP_SYS_TTY_CONFIG": "vhangup",
}

# Only where the machine has them.
BY_MACHINE = {
    "x86_64": "arch_prctl modify_ldt",
    "aarch64": "arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls sync_file_range2",
    "ppc64le": "sync_file_range2",
    "s390x": "s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr",
}

# personality(2): Linux, Linux of a 32-bit machine, each with UNAME26, and the question what is set.
PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)

# socket(AF_NETLINK, …, NETLINK_AUDIT): EINVAL, as on a kernel without audit, so that programs do without it.
AUDIT_CAPABILITY, AF_NETLINK, NETLINK_AUDIT = "CAP_AUDIT_WRITE", 16, 9

# The machine's own ABI is always filtered; these besides.
OTHER_ABIS = {"x86_64": ("X86", "X32"), "aarch64": ("ARM",), "s390x": ("S390",)}
NATIVE_ABIS = {"x86_64": "X86_64", "aarch64": "AARCH64", "ppc64le": "PPC64LE", "s390x": "S390X", "riscv64": "RISCV64"}
