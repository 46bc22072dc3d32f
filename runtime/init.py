"""What the container's first process does from clone3 to execve, in order.

It is a fork of the process that called `create`, single-threaded, and never returns. Up to pivot_root it sees the
host's files, with the container's namespaces. Before it touches the container's root, importing is switched off: from
then on a Python module, a codec or a shared library could only come from the image (CVE-2019-14271 and its kin). It
dies with its parent until the parent has written down that it exists.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import gc
import posix
import stat
import sys
from errno import EACCES, EINVAL, ENOENT

from runtime import (
    command,
    devices,
    hooks,
    identity,
    inroot,
    keyring,
    namespaces,
    rlimits,
    syscalls,
    sysctl,
    trampoline,
)
from runtime import terminal as terminals
from runtime.errors import CommandNotFoundError, NotExecutableError, OCIRuntimeError, SpecError
from runtime.kernel import (
    CLONE_NEWCGROUP,
    CLONE_NEWNET,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    CLOSE_RANGE_CLOEXEC,
    PR_SET_DUMPABLE,
    PR_SET_PDEATHSIG,
)
from runtime.mounting import masks, mounts, rootfs
from runtime.sync import Channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from typing import Any, NoReturn

    from runtime.inherited import Inherited
    from runtime.spec import Process

SIGKILL = 9
_SIGNALS = 64
_before_freeze: list[object] = []


class Setup:
    """All that the first process needs to know, put together by its parent; reading it touches no file."""

    __slots__ = (
        "channel",
        "container_id",
        "devices",
        "domainname",
        "entrances",
        "hook_outputs",
        "hooks",
        "hostname",
        "inherited",
        "keyring",
        "listener",
        "masked",
        "mounts",
        "namespaces",
        "no_pivot",
        "preserve_fds",
        "preserved",
        "proc",
        "process",
        "propagation",
        "readonly",
        "readonly_root",
        "root",
        "rootfs",
        "seccomp",
        "state",
        "stdio",
        "sysctls",
        "tells_network",
    )

    channel: Channel
    container_id: str
    devices: list[devices.Device]
    domainname: str
    entrances: list[int]
    hook_outputs: dict[int, int]
    hooks: hooks.Hooks
    hostname: str
    inherited: Inherited
    keyring: str
    listener: _socket.socket
    masked: list[str]
    mounts: list[mounts.Mount]
    namespaces: namespaces.NamespacePlan
    no_pivot: bool
    preserve_fds: int
    preserved: tuple[int, ...]  # further ones, by number
    proc: int  # the host's, if anything is to be written there
    process: Process | None
    propagation: int
    readonly: list[str]
    readonly_root: bool
    root: int
    rootfs: str
    seccomp: identity.Filter
    state: dict[str, Any]
    stdio: tuple[int, int, int]
    sysctls: dict[str, str]
    tells_network: bool  # hand a new network namespace to the parent


def run(setup: Setup) -> NoReturn:
    """Be the container's first process."""
    try:
        _run(setup)
    except BaseException as error:  # nothing may escape: a traceback would read files of the image
        setup.channel.send_error(error, "set up the container")
    finally:
        posix._exit(1)


def _run(setup: Setup) -> NoReturn:
    release_from_host(setup.stdio, setup.preserve_fds, _kept_fds(setup), setup.preserved)
    enter_namespaces(setup)
    _make_root(setup)
    _enter_root(setup)
    if setup.process is None:
        _hand_over(setup)
        missing = SpecError("start the container: its configuration has no process")
        wait_for_start(setup.listener).send_error(missing)
        posix._exit(1)
    Program(setup.process, setup.seccomp, setup.listener.fileno(), setup.proc).run_after_start(setup)


def _kept_fds(setup: Setup) -> list[int]:
    joined = [fd for _flag, fd, _path in setup.namespaces.joins]
    trees = [mount.tree for mount in setup.mounts]
    own = (setup.channel.fileno(), setup.listener.fileno(), setup.root, setup.proc, *setup.seccomp.fds())
    return [fd for fd in (*own, *joined, *trees, *setup.entrances) if fd >= 0]


def release_from_host(
    stdio: tuple[int, int, int], preserve_fds: int, keep: list[int], preserved: tuple[int, ...] = ()
) -> None:
    """Cut what ties this fork to the program that it came from: signals, imports, files."""
    gc.disable()
    syscalls.prctl(PR_SET_PDEATHSIG, SIGKILL)
    freeze_imports()
    reset_signals()
    posix.umask(0)
    posix.setsid()
    _take_stdio(stdio)
    first = 3 + preserve_fds
    for fd in sorted({*keep, *preserved}):
        if fd >= first:
            syscalls.close_range(first, fd - 1)
            first = fd + 1
    syscalls.close_range(first)
    # The fds to preserve are the caller's; ours carry FD_CLOEXEC from their making, and this makes sure of it.
    syscalls.close_range(3 + preserve_fds, flags=CLOSE_RANGE_CLOEXEC)
    for fd in (*range(3, 3 + preserve_fds), *preserved):
        posix.set_inheritable(fd, True)


def freeze_imports() -> None:
    """Switch off all ways by which Python finds code: what is not loaded now never will be."""
    # The old ones are kept: to free their many objects would copy many pages of this fork.
    _before_freeze.append((sys.path, sys.meta_path, sys.path_hooks, sys.path_importer_cache))
    sys.path, sys.meta_path, sys.path_hooks, sys.path_importer_cache = [], [], [], {}


def reset_signals() -> None:
    """Give every signal its default action (Python ignores SIGPIPE and SIGXFSZ) and block none."""
    _signal.set_wakeup_fd(-1)
    for number in range(1, _SIGNALS + 1):
        # What Python found ignored at its start, and what it ignores itself; a handler would not survive execve anyhow.
        if _signal.getsignal(number) not in (None, _signal.SIG_DFL):
            _signal.signal(number, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, [])


def _take_stdio(stdio: tuple[int, int, int]) -> None:
    if stdio != (0, 1, 2):
        # By way of copies above 2, in case one of them is another's target.
        copies = [posix.dup(fd) if fd < 3 else fd for fd in stdio]
        for number, fd in enumerate(copies):
            posix.dup2(fd, number, True)
    for number in (0, 1, 2):
        posix.set_inheritable(number, True)


def enter_namespaces(setup: Setup) -> None:
    """Enter the cgroup, wait until the parent has mapped the IDs, and complete the namespaces."""
    plan = setup.namespaces
    enter_cgroup(setup.entrances)
    setup.inherited.apply()
    if setup.keyring:
        labels = setup.process.labels if setup.process is not None else None
        warning = keyring.join(setup.keyring, labels, setup.proc)
        if warning:
            setup.channel.send("warning", warning)
    if not plan.needs_second_fork():
        namespaces.join_all(plan.joins)
    setup.channel.expect("go")
    if plan.new & CLONE_NEWUSER or plan.joined(CLONE_NEWUSER):
        become_root()
    syscalls.prctl(PR_SET_DUMPABLE, 0)
    plan.close()
    if setup.tells_network and plan.new & CLONE_NEWNET:
        _tell_network(setup.channel)
    if plan.new & CLONE_NEWCGROUP:
        syscalls.unshare(CLONE_NEWCGROUP)
    if plan.new & CLONE_NEWNET:
        namespaces.raise_loopback()
    if setup.hostname:
        syscalls.sethostname(setup.hostname)
    if setup.domainname:
        syscalls.setdomainname(setup.domainname)
    sysctl.write(setup.proc, setup.sysctls)


def _tell_network(channel: Channel) -> None:
    """Hand over the network namespace: whoever is not the host's root cannot open that of a process like this."""
    fd = posix.open("/proc/self/ns/net", posix.O_RDONLY | posix.O_CLOEXEC)
    channel.send("network", None, (fd,))
    posix.close(fd)


def enter_cgroup(entrances: list[int]) -> None:
    """Enter the cgroup by files that the parent opened."""
    if entrances:
        # Loaded by the parent, as it made the cgroup: nothing is imported here.
        from runtime.cgroups import enter_by

        enter_by(entrances)


def become_root() -> None:
    """Become user 0 of the user namespace; one that does not map it is entered with its capabilities alone."""
    try:
        posix.setresgid(0, 0, 0)
        posix.setresuid(0, 0, 0)
    except OSError as error:
        if error.errno != EINVAL:
            raise
    # A change of user takes the signal away.
    syscalls.prctl(PR_SET_PDEATHSIG, SIGKILL)


def _make_root(setup: Setup) -> None:
    """Put the container's tree together: its mounts, devices, masks, still seen from the host's root."""
    plan = setup.namespaces
    if setup.root < 0:
        setup.root = rootfs.clone_tree(setup.rootfs)
    if not plan.shares_mounts():
        rootfs.attach(setup.rootfs, setup.root, setup.propagation)
    new_pid = bool(plan.new & CLONE_NEWPID)
    new_cgroup = bool(plan.new & CLONE_NEWCGROUP) or plan.joined(CLONE_NEWCGROUP)
    setup.root = mounts.mount_all(setup.root, setup.mounts, new_pid_namespace=new_pid, cgroup_namespace=new_cgroup)
    bound_dev = any(mount.destination == "/dev" and mount.options.bind for mount in setup.mounts)
    if not bound_dev:
        in_user_namespace = bool(plan.new & CLONE_NEWUSER) or plan.joined(CLONE_NEWUSER)
        devices.make_all(setup.root, setup.devices, bind=in_user_namespace)
    if setup.process is not None:
        _make_directory(setup.root, setup.process.cwd)
    if "prestart" in setup.hooks or "createRuntime" in setup.hooks:
        setup.channel.send("mounted")
        setup.channel.expect("hooked")
    # As the container sees it, to which the pid of the hooks to come belongs.
    setup.state["pid"] = posix.getpid()
    hooks.run("createContainer", setup.hooks.get("createContainer", []), setup.state)
    setup.hook_outputs = hooks.open_outputs(setup.state) if "startContainer" in setup.hooks else {}


def _make_directory(root: int, path: str) -> None:
    """Make the working directory if it is missing; one that cannot be made is reported when it is entered."""
    try:
        posix.close(inroot.make(root, path, directory=True))
    except OSError:
        pass


def _enter_root(setup: Setup) -> None:
    slave = -1
    process = setup.process
    if process is not None and process.terminal:
        master, slave = terminals.open_terminal(setup.root, process.console_size, process.uid)
        terminals.bind_console(setup.root, slave)
        setup.channel.send("terminal", None, (master,))
        posix.close(master)
    masks.mask_all(setup.root, setup.masked)
    masks.make_readonly(setup.root, setup.readonly)
    if setup.namespaces.shares_mounts():
        rootfs.chroot(setup.root)
    else:
        rootfs.enter(setup.root, no_pivot=setup.no_pivot)
    rootfs.finish(setup.root, setup.propagation, readonly=setup.readonly_root)
    posix.close(setup.root)
    if slave >= 0:
        terminals.take(slave)


class Program:
    """The last steps, common to a container's first process and to one that joins it by exec.

    All that needs a file or memory is done before the seccomp filter is there.
    """

    __slots__ = ("cwd_pending", "memfd", "path", "proc", "process", "seccomp")

    def __init__(self, process: Process, seccomp: identity.Filter, error_fd: int, proc: int) -> None:
        self.process = process
        self.proc = proc
        self.seccomp = seccomp
        root = syscalls.open_directory("/")
        try:
            if "HOME" not in process.environment:
                process.environment["HOME"] = command.home(root, process.uid)
            if process.listen_fds:
                process.environment["LISTEN_FDS"] = str(process.listen_fds)
                process.environment["LISTEN_PID"] = str(posix.getpid())
            self.cwd_pending = not enter_directory(root, process.cwd, may_wait=True)
            reopen_null(root)
        finally:
            posix.close(root)
        give_stdio(process.uid)
        late = identity.loads_before_capabilities(process, seccomp)
        in_trampoline = bool(seccomp.program) and not late and seccomp.listener is None
        self.path = command.resolve(process.arguments[0], process.environment, as_user=False)
        program = seccomp.program if in_trampoline else b""
        self.memfd = trampoline.prepare(error_fd, program, seccomp.flags if in_trampoline else 0)

    def take_identity(self) -> None:
        """Become the container's user and look with its eyes again."""
        process = self.process
        late = identity.loads_before_capabilities(process, self.seccomp)
        if late:
            rlimits.apply(process.rlimits)  # the filter might forbid it
        process.labels.enter_at_execve(self.proc)
        identity.take(process, self.seccomp)
        if self.cwd_pending:
            root = syscalls.open_directory("/")
            enter_directory(root, process.cwd, may_wait=False)
            posix.close(root)
        if not late:
            self.path = command.resolve(process.arguments[0], process.environment, as_user=True)

    def execute(self) -> NoReturn:
        """Become the program."""
        posix.umask(self.process.umask)
        late = identity.loads_before_capabilities(self.process, self.seccomp)
        if not late:
            rlimits.apply(self.process.rlimits)  # as late as can be: they may leave us no file and no memory
        if self.seccomp.listener and not late:
            # Not in the trampoline, which no longer shares its descriptors with who waits for the listener.
            self.seccomp.load()
            late = True
        by_fd = self.seccomp.allows_execveat or not late
        trampoline.execute(self.memfd, self.path, self.process.arguments, self.process.environment, by_fd=by_fd)

    def run_after_start(self, setup: Setup) -> NoReturn:
        """Hand over to the parent, wait for `start`, and become the program; return only by exception."""
        # A filter that must be loaded before the capabilities are dropped would also rule the wait for `start`: so both
        # come after it.
        late = identity.loads_before_capabilities(self.process, self.seccomp)
        if not late:
            self.take_identity()
            syscalls.prctl(PR_SET_PDEATHSIG, SIGKILL)
        _hand_over(setup)
        error_channel = wait_for_start(setup.listener)
        try:
            if late:
                self.take_identity()
            # Only now: these programs come from the image, and have no more rights than its process.
            hooks.run_with(setup.hook_outputs, "startContainer", setup.hooks.get("startContainer", []), setup.state)
            self.execute()
        except BaseException as error:
            error_channel.send_error(error, "start the container")
            posix._exit(1)


def _hand_over(setup: Setup) -> None:
    """Tell the parent that all is done, wait until it has written that down, and live without it from then on."""
    setup.channel.send("ready")
    setup.channel.expect("release")
    syscalls.prctl(PR_SET_PDEATHSIG, 0)
    setup.channel.close()


def wait_for_start(listener: _socket.socket) -> Channel:
    """Wait for `start` to connect; leave the connection, which is where errors go, under the listener's own number."""
    import _socket as sockets

    number = listener.fileno()
    while True:
        connection, _address = listener._accept()  # type: ignore[attr-defined]
        end = sockets.socket(fileno=connection)
        if end.recv(1):
            # Not close-on-exec: the trampoline reports a failed execve there, and makes it so.
            posix.dup2(connection, number, True)
            end.close()
            return Channel(listener)
        end.close()


def enter_directory(root: int, path: str, *, may_wait: bool) -> bool:
    """Change to a directory of the container; False if it denies us and `may_wait`, as the user may be allowed.

    Magic links are refused and the kernel's own word for where we are is checked: a working directory of
    `/proc/self/fd/7` must not lead to a directory of the host (CVE-2024-21626).
    """
    try:
        fd = inroot.open_path(root, path, posix.O_PATH | posix.O_DIRECTORY)
        try:
            posix.fchdir(fd)
        finally:
            posix.close(fd)
    except OSError as error:
        if may_wait and error.errno == EACCES:
            return False
        kind = CommandNotFoundError if error.errno == ENOENT else NotExecutableError
        raise kind(f"change to the working directory `{path}`: {command.reason(error.errno)}") from error
    if not syscalls.getcwd().startswith(b"/"):
        raise OCIRuntimeError(f"change to the working directory `{path}`: it is outside of the container")
    return True


def reopen_null(root: int) -> None:
    """Let standard streams that are the host's /dev/null be the container's: only that can be saved by a checkpoint."""
    number = posix.makedev(1, 3)
    streams = [fd for fd in (0, 1, 2) if posix.fstat(fd).st_rdev == number]
    if not streams:
        return
    flags = posix.O_RDWR | posix.O_NONBLOCK | posix.O_NOFOLLOW | posix.O_NOCTTY | posix.O_CLOEXEC
    try:
        null = inroot.open_path(root, "dev/null", flags)
    except OSError:
        # A container without one.
        return
    status = posix.fstat(null)
    if stat.S_ISCHR(status.st_mode) and status.st_rdev == number:
        posix.set_blocking(null, True)
        for fd in streams:
            posix.dup2(null, fd)
    posix.close(null)


def give_stdio(uid: int) -> None:
    """Let the container's user reopen its own standard streams by /dev/stdout and the like, if they are pipes."""
    for fd in (0, 1, 2):
        status = posix.fstat(fd)
        if stat.S_ISFIFO(status.st_mode) and status.st_uid != uid:
            try:
                posix.fchown(fd, uid, -1)
            except OSError:
                # A pipe of another user namespace has no owner that could be named here.
                pass
