"""A process that joins a container again and again, as `exec` has it, but prepared once (see steps.py).

Whoever runs the program gives it descriptors: 0 its input, 1 and 2 its output, 3 the pidfd of the container's first
process, 4 to which it writes how a run went (steps.py), 5 a directory: while that has a file `paused`, it runs nothing,
6 the page in which it notes how each run went (answers.py). What it does is what `runtime.exec` and
`runtime.init.Program` do, step by step; tests compare both.
"""

from __future__ import annotations

import posix
import struct

from runtime import capabilities, command, kernel, keyring, kill, launch, rlimits, syscalls
from runtime import exec as executing
from runtime import spec as specification
from runtime import status as states
from runtime.identity import Filter, allows, loads_before_capabilities
from runtime.inherited import Inherited
from runtime.steps import EXECUTE, FORK, IGNORE, MUST, NOTE, TRY_FORK, UNLESS, UNLESS_NOTED, Step, Steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PIDFD, RESPONSE, DIRECTORY, ANSWERS = 3, 4, 5, 6
_PR_SET_NAME = 15
_SIGCHLD = 17
# The child borrows the memory of the program until its execve: nothing is copied, and nothing is lost, for all that the
# child writes there is written anew by the next one.
_FORK = kernel.CLONE_VM | _SIGCHLD
_FORK_INTO_CGROUP = kernel.CLONE_INTO_CGROUP | kernel.CLONE_VM
_SIGKILL = 9
_LIBRARY_SIGNALS = (32, 33)
_AT_FDCWD = -100
_JOIN_SESSION = 1  # KEYCTL_JOIN_SESSION_KEYRING
_SET_MODE_FILTER = 1  # SECCOMP_SET_MODE_FILTER
_WRITE_ONLY = posix.O_WRONLY | posix.O_CLOEXEC
# What may be called for each run. Where the container's filter lets all of it pass, the program itself is under it, and
# its children with it: to load it costs more than the clone.
REPEATED = (
    "capset chdir clock_gettime clock_nanosleep clone clone3 close_range execve exit_group faccessat fchown openat"
    " prctl prlimit64 restart_syscall sched_setattr setgroups setresgid setresuid setsid umask wait4 write"
).split()
# The hierarchies of v1 by which a container's processes are found, counted and stopped, and its memory is measured: the
# program stays outside of them. It is in the others, for its children are born there then: each one that they have to
# enter themselves costs 10 us.
_APART = ("freezer", "pids", "name=systemd", "memory")
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def prepare(root: str, container_id: str, arguments: list[str], interval: int) -> bytes | None:
    """Return the program that runs a command as the container's own process runs; None if it takes more than that.

    `interval` is in nanoseconds, from the end of a run to the next one.
    Where an agent decides about system calls, or the container shares the mounts of the host, only `exec` can do it.
    """
    status = states.load(root, container_id)
    config = specification.load(f"{status.directory}/{states.CONFIG}")
    document = {**config["process"], "args": arguments, "terminal": False}
    if status.mount_id or _asks_an_agent(config):
        return None
    described = specification.Process(document)
    described.keep_groups = specification.keeps_groups(status.annotations)
    seccomp = launch.read_filter(config, root, status.state("running"))
    flags = executing.different_namespaces(status.pid)
    if "HOME" not in described.environment:
        top = posix.open(f"/proc/{status.pid}/root", posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC)
        try:
            described.environment["HOME"] = command.home(top, described.uid)
        finally:
            posix.close(top)
    program = Steps()
    builder = _Builder(program, status, described, seccomp, flags)
    builder.is_under_filter = bool(seccomp.program) and passes(config, seccomp)
    builder.build(Inherited(config.get("linux") or {}))
    return _image(program, described.arguments[0], interval)


def passes(config: dict[str, Any], seccomp: Filter) -> bool:
    """Tell whether a container's filter lets the program do all its work, whatever the arguments (pure)."""
    profile = config["linux"]["seccomp"]
    for rule in profile.get("syscalls") or ():
        if rule.get("args") and not {*REPEATED}.isdisjoint(rule.get("names") or ()):
            return False
    # No filter that came as BPF is said to allow execveat.
    return seccomp.allows_execveat and all(allows(profile, name) for name in REPEATED)


def prepare_command(arguments: list[str], environment: dict[str, str], interval: int) -> bytes:
    """Return the program that runs a command on the host, in the same way."""
    program = Steps()
    _begin(program)
    _repeat(program)
    program.add("clone", _FORK, mode=FORK, doing="fork")
    program.add("prctl", kernel.PR_SET_PDEATHSIG, _SIGKILL)
    program.add("setsid")
    program.add("close_range", 3, 0xFFFFFFFF, 0)
    words = program.array(arguments)
    variables = program.array([f"{key}={value}" for key, value in environment.items()])
    program.add("execve", program.text(arguments[0]), words, variables, mode=EXECUTE)
    return _image(program, arguments[0], interval)


def _repeat(program: Steps) -> None:
    """Begin what is done again and again, but not while the container is paused."""
    program.repeat()
    program.add("faccessat", DIRECTORY, program.text("paused"), posix.F_OK, mode=UNLESS)


def _begin(program: Steps) -> None:
    """Set the name that `ps` and `top` show, and the signals that posix_spawn(3) leaves ignored for the C library."""
    program.add("prctl", _PR_SET_NAME, program.text("pod-health"))
    program.share(ANSWERS)
    default = program.data(bytes(32))
    for number in _LIBRARY_SIGNALS:
        program.add("rt_sigaction", number, default, 0, 8)


def _image(program: Steps, name: str, interval: int) -> bytes:
    missing, denied = f"exec: {name}: executable file not found\n", f"exec: {name}: permission denied\n"
    return program.image(RESPONSE, interval, missing, denied)


def _asks_an_agent(config: dict[str, Any]) -> bool:
    from runtime import seccomp

    profile = (config.get("linux") or {}).get("seccomp")
    return seccomp.notifies(profile) if profile else False


class _Builder:
    """Writes down the steps, in their order."""

    def __init__(
        self, program: Steps, status: states.Status, described: specification.Process, seccomp: Filter, flags: int
    ) -> None:
        self.program = program
        self.status = status
        self.process = described
        self.seccomp = seccomp
        self.flags = flags
        self.cgroup = kill.cgroup_of(status)
        self.is_under_filter = False  # the program itself, from before its first child

    def build(self, inherited: Inherited) -> None:
        """Write down all of them."""
        program = self.program
        _begin(program)
        self._set_oom_score()
        program.add("prctl", kernel.PR_SET_DUMPABLE, 0)
        places, unified = self._open_cgroups()
        self._inherit(inherited)
        self._raise_limits()
        proc = self._open_proc()
        if self.flags:
            program.add("setns", PIDFD, self.flags, doing="enter the container")
        # The program itself executes nothing: what a child must not gain by its execve it can do without from now on.
        for number in self._to_drop():
            program.add("prctl", kernel.PR_CAPBSET_DROP, number, doing="drop capabilities")
        program.add("prctl", kernel.PR_SET_PDEATHSIG, _SIGKILL)  # which the change of namespace would take away
        if self.status.new_keyring:
            # The program has no use for it, but its children inherit it.
            name = keyring.name(self.status.id, self.status.created)
            program.add("keyctl", _JOIN_SESSION, program.text(name), mode=IGNORE)
        if self.is_under_filter:
            self._load_filter()
        _repeat(program)
        self._fork(unified)
        for opened in places:
            self._enter(opened)
        self._label(proc)
        self._leave_host()
        self._take_identity()
        self._execute()

    def _inherit(self, inherited: Inherited) -> None:
        program = self.program
        if inherited.personality is not None:
            program.add("personality", inherited.personality, doing="set the execution domain")
        if inherited.memory_mode is not None:
            nodes = program.data(sum(1 << node for node in inherited.nodes).to_bytes(128, "little"))
            program.add("set_mempolicy", inherited.memory_mode, nodes, 1025, doing="set the memory policy")

    def _set_oom_score(self) -> None:
        if self.process.oom_score_adj is not None:
            self._write("/proc/self/oom_score_adj", str(self.process.oom_score_adj), mode=IGNORE)

    def _write(self, path: str, text: str, *, mode: int = MUST, doing: str = "", proc: Step | None = None) -> None:
        """Open a file and write to it; descriptors are closed all at once, later."""
        program = self.program
        opened = program.add("openat", _AT_FDCWD, program.text(path), _WRITE_ONLY, 0, mode=mode, doing=doing)
        if proc is not None:
            proc.store = (opened, 0)
        written = program.add("write", -1, program.text(text), len(text.encode()), mode=mode, doing=doing)
        opened.store = (written, 0)

    def _open_cgroups(self) -> tuple[list[Step], tuple[int, Step] | None]:
        """Enter some control groups, open the ways into others: files of v1; of the unified one what _fork needs."""
        program = self.program
        if self.cgroup is None:
            return [], None
        paths, directories = _paths(self.cgroup.entrances(unified=False)), self.cgroup.directories()
        apart = {f"{directories[name]}/tasks" for name in _APART if name in directories} or {*paths}
        opened = [
            program.add("openat", _AT_FDCWD, program.text(path), _WRITE_ONLY, 0, doing=f"open {path}")
            for path in paths
            if path in apart
        ]
        for path in paths:
            if path not in apart:
                self._write(path, "0", doing="enter its control group")
        directory = self.cgroup.clone_fd()
        if directory < 0:
            return opened, None
        [path] = _paths([directory])
        arguments = program.data(struct.pack("=11Q", _FORK_INTO_CGROUP, 0, 0, 0, _SIGCHLD, *[0] * 6))
        flags = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC
        program.add("openat", _AT_FDCWD, program.text(path), flags, 0, mode=IGNORE).store = arguments + 80
        procs = program.text(f"{path}/cgroup.procs")
        return opened, (arguments, program.add("openat", _AT_FDCWD, procs, _WRITE_ONLY, 0, mode=IGNORE))

    def _enter(self, opened: Step) -> None:
        """Let the child enter a control group by a file that was opened before."""
        entered = self.program.add("write", -1, self.program.text("0"), 1, doing="enter its control group")
        opened.store = (entered, 0)

    def _raise_limits(self) -> None:
        program = self.program
        for name, _soft, hard in self.process.rlimits:
            number = rlimits.NUMBERS[name]
            soft_now, hard_now = syscalls.read_limit(0, number)
            if hard > hard_now:
                limit = program.data(struct.pack("=QQ", soft_now, hard))
                program.add("prlimit64", 0, number, limit, 0, doing=f"raise {name}")

    def _open_proc(self) -> Step | None:
        """Open the host's procfs while it can be seen, if anything is to be written there later."""
        if not self.process.labels:
            return None
        flags = posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC
        return self.program.add("openat", _AT_FDCWD, self.program.text("/proc"), flags, 0, doing="open /proc")

    def _fork(self, unified: tuple[int, Step] | None) -> None:
        """Fork, into the unified hierarchy's control group if there is one: by clone3, or else by its file."""
        program = self.program
        if unified is None:
            program.add("clone", _FORK, mode=FORK, doing="fork")
            return
        arguments, procs = unified
        forked = program.add("clone3", arguments, 88, mode=TRY_FORK)
        program.add("clone", _FORK, mode=FORK, doing="fork")
        self._enter(procs)
        forked.more = program.add("prctl", kernel.PR_SET_PDEATHSIG, _SIGKILL)

    def _label(self, proc: Step | None) -> None:
        labels = self.process.labels
        places = ["self/attr/apparmor/exec", "self/attr/exec"]
        if labels.apparmor:
            place = next((name for name in places if posix.access(f"/proc/{name}", posix.F_OK)), places[1])
            self._write(place, f"exec {labels.apparmor}", doing="enter its AppArmor profile", proc=proc)
        elif labels.selinux:
            self._write(places[1], labels.selinux, doing="take its SELinux label", proc=proc)

    def _leave_host(self) -> None:
        program = self.program
        program.add("prctl", kernel.PR_SET_PDEATHSIG, _SIGKILL)
        program.add("setsid")
        if self.flags & kernel.CLONE_NEWUSER:
            program.add("setresgid", 0, 0, 0, mode=IGNORE)
            program.add("setresuid", 0, 0, 0, mode=IGNORE)
        program.add("close_range", 3, 0xFFFFFFFF, 0, doing="close what is the host's")
        program.add("fchown", 1, self.process.uid, -1, mode=IGNORE)
        # As root first, and again as the user if root was denied: see runtime.init.enter_directory.
        program.add("chdir", program.text(self.process.cwd), mode=NOTE)

    def _take_identity(self) -> None:
        """Do what runtime.identity.take does, but for the bounding set, which is inherited."""
        program, described = self.program, self.process
        if loads_before_capabilities(described, self.seccomp):
            self._limit()
            self._load_filter_of_child()
        program.add("prctl", kernel.PR_SET_KEEPCAPS, 1)
        if not described.keep_groups:
            groups = described.additional_gids
            # A user namespace with a single mapping has given up setgroups(2): there are no groups to gain or to lose.
            mode = IGNORE if not groups and self._denies_groups() else MUST
            program.add("setgroups", len(groups), program.data(struct.pack(f"={len(groups)}I", *groups)), mode=mode)
        program.add("setresgid", *[described.gid] * 3, doing="take its group")
        program.add("setresuid", *[described.uid] * 3, doing="take its user")
        # Which fs.suid_dumpable=1 makes dumpable, and with it the program, whose memory this is: before it has no more
        # capabilities than the container's own processes, it must be closed to them again.
        program.add("prctl", kernel.PR_SET_DUMPABLE, 0)
        self._set_capabilities()
        program.add("prctl", kernel.PR_SET_KEEPCAPS, 0)
        if described.no_new_privileges:
            program.add("prctl", kernel.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        program.add("prctl", kernel.PR_SET_PDEATHSIG, _SIGKILL)  # a change of user takes the signal away

    def _denies_groups(self) -> bool:
        with open(f"/proc/{self.status.pid}/setgroups", encoding="ascii") as file:
            return file.read().strip() == "deny"

    def _to_drop(self) -> list[int]:
        """Return the capabilities to drop from the bounding set: in a user namespace that is full at first."""
        keep = self.process.capabilities.bounding
        full = bool(self.flags & kernel.CLONE_NEWUSER)
        numbers = []
        for number in range(64):
            try:
                has = syscalls.prctl(kernel.PR_CAPBSET_READ, number)
            except OSError:
                break  # the kernel knows no more
            if not keep >> number & 1 and (full or has):
                numbers.append(number)
        return numbers

    def _set_capabilities(self) -> None:
        program, sets = self.program, self.process.capabilities
        available = (1 << 64) - 1 if self.flags & kernel.CLONE_NEWUSER else syscalls.capget()[1]
        known = sum(1 << number for number in range(len(capabilities.NAMES)))
        permitted = sets.permitted & available & known
        inheritable = sets.inheritable & available & sets.bounding & known
        words = (sets.effective & permitted, permitted, inheritable)
        low, high = [value & 0xFFFFFFFF for value in words], [value >> 32 for value in words]
        header = program.data(struct.pack("=Ii", 0x20080522, 0))
        program.add("capset", header, program.data(struct.pack("=6I", *low, *high)), doing="set the capabilities")
        program.add("prctl", kernel.PR_CAP_AMBIENT, kernel.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0, mode=IGNORE)
        for number in range(len(capabilities.NAMES)):
            if (sets.ambient & permitted & inheritable) >> number & 1:
                program.add("prctl", kernel.PR_CAP_AMBIENT, kernel.PR_CAP_AMBIENT_RAISE, number, 0, 0, mode=IGNORE)

    def _limit(self) -> None:
        program = self.program
        for name, soft, hard in self.process.rlimits:
            limit = program.data(struct.pack("=QQ", soft, hard))
            program.add("prlimit64", 0, rlimits.NUMBERS[name], limit, 0, doing=f"set {name}")

    def _load_filter_of_child(self) -> None:
        if not self.is_under_filter:
            self._load_filter()

    def _load_filter(self) -> None:
        program, content = self.program, self.seccomp.program
        if content:
            filter_address = program.data(content)
            described = program.data(struct.pack("=HxxxxxxQ", len(content) // 8, filter_address))
            program.add("seccomp", _SET_MODE_FILTER, self.seccomp.flags, described, doing="load the seccomp filter")

    def _execute(self) -> None:
        program, described = self.program, self.process
        program.add("chdir", program.text(described.cwd), mode=UNLESS_NOTED, doing=f"change to {described.cwd}")
        program.add("umask", described.umask)
        if described.schedule.attributes:
            attributes = program.data(described.schedule.attributes)
            program.add("sched_setattr", 0, attributes, 0, doing="set the scheduler")
        if not loads_before_capabilities(described, self.seccomp):
            self._limit()
            self._load_filter_of_child()
        name, environment = described.arguments[0], described.environment
        arguments = program.array(described.arguments)
        variables = program.array([f"{key}={value}" for key, value in environment.items()])
        places = environment.get("PATH", _DEFAULT_PATH).split(":")
        for path in [name] if "/" in name else [f"{place or '.'}/{name}" for place in places]:
            program.add("execve", program.text(path), arguments, variables, mode=EXECUTE)


def _paths(fds: list[int]) -> list[str]:
    """Return what descriptors are of, and close them."""
    paths = [posix.readlink(f"/proc/self/fd/{fd}") for fd in fds]
    for fd in fds:
        posix.close(fd)
    return paths
