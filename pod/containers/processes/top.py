"""The processes of a container as `top` tells them, column by column: podman's descriptors (those of psgo).

/proc is read from the host side. Users and groups are the container's own by its /etc/passwd and /etc/group, which are
hostile and read by pod.containers.inside.users; the descriptors that begin with h tell the host's view of the same.
"""

from __future__ import annotations

import os
import time

from pod.containers import status
from pod.containers.inside import users
from pod.containers.processes import running as processes
from pod.errors import PodError
from pod.times import go_duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pod.containers.processes.running import Process
    from pod.engine import Engine
    from pod.state import Container

    Mapping = list[tuple[int, int, int]]  # inside, outside, count

DEFAULT = ("user", "pid", "ppid", "pcpu", "etime", "tty", "time", "args")
# The codes of ps(1) for some of them.
AIX = {
    "%a": "args",
    "%C": "pcpu",
    "%c": "comm",
    "%G": "group",
    "%g": "rgroup",
    "%n": "nice",
    "%P": "ppid",
    "%p": "pid",
    "%r": "pgid",
    "%t": "etime",
    "%U": "user",
    "%u": "ruser",
    "%x": "time",
    "%y": "tty",
    "%z": "vsz",
}
_SECOND = 1_000_000_000
_SECCOMP = {"0": "disabled", "1": "strict", "2": "filter"}


class View:
    """A container's processes at one moment, and what their numbers are inside of it."""

    def __init__(self, engine: Engine, container: Container) -> None:
        """Look at a container. Raises PodError unless it runs."""
        seen = status.observe(engine.config, container.id)
        if seen.state != "running" or not seen.pid:
            raise PodError("top can only be used on running containers")
        self.first = seen.pid
        self.processes = processes.of(engine.config, container.id, seen.pid)
        self.pids = self._inner_pids()
        self.uids = _mapping(f"/proc/{seen.pid}/uid_map", seen.pid)
        self.gids = _mapping(f"/proc/{seen.pid}/gid_map", seen.pid)
        self.names, self.group_names = self._names()
        self.boot = _boot_time()
        self._status: dict[int, dict[str, str]] = {}

    def _inner_pids(self) -> dict[int, int]:
        """Return the pid in the container's namespace of each process, by its pid here."""
        found = {}
        level = -1
        lines = {process.pid: self._nspid(process.pid) for process in self.processes}
        if self.first in lines:
            level = len(lines[self.first]) - 1
        for pid, numbers in lines.items():
            if numbers:
                found[pid] = numbers[level if level < len(numbers) else -1]
        return found

    @staticmethod
    def _nspid(pid: int) -> list[int]:
        for line in processes.read_file(f"/proc/{pid}/status").splitlines():
            if line.startswith("NSpid:"):
                return [int(word) for word in line.split()[1:]]
        return []

    def _names(self) -> tuple[dict[int, str], dict[int, str]]:
        try:
            root = os.open(f"/proc/{self.first}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return {}, {}
        try:
            return tuple(_numbered(users.read_file(root, path)) for path in ("etc/passwd", "etc/group"))  # type: ignore[return-value]
        finally:
            os.close(root)

    def status_of(self, process: Process) -> dict[str, str]:
        """Return the fields of /proc/PID/status; empty if the process has ended meanwhile."""
        if process.pid not in self._status:
            lines = processes.read_file(f"/proc/{process.pid}/status").splitlines()
            self._status[process.pid] = {
                key: value.strip() for key, _, value in (line.partition(":") for line in lines)
            }
        return self._status[process.pid]

    def elapsed(self, process: Process) -> int:
        """Return the nanoseconds since a process was started."""
        return max(time.time_ns() - self.started(process), 0)

    def started(self, process: Process) -> int:
        """Return when a process was started."""
        return self.boot + process.number(22) * _SECOND // processes.TICKS

    def user(self, number: str) -> str:
        """Return what the container calls the user of a number that is ours."""
        inside = _inside(int(number), self.uids)
        return self.names.get(inside, str(inside))

    def group(self, number: str) -> str:
        """Return what the container calls the group of a number that is ours."""
        inside = _inside(int(number), self.gids)
        return self.group_names.get(inside, str(inside))


def table(view: View, descriptors: list[str]) -> list[list[str]]:
    """Return the titles and a row for each process. Raises PodError for a descriptor that there is not."""
    wanted = [AIX.get(name, name) for name in descriptors]
    for name in wanted:
        if name not in COLUMNS:
            raise PodError(f"unknown descriptor: {name}", hint="known are " + ", ".join(sorted(COLUMNS)))
    rows = [[COLUMNS[name][0] for name in wanted]]
    alive = (process for process in view.processes if process.pid in view.pids and view.status_of(process))
    return rows + [[COLUMNS[name][1](view, process) for name in wanted] for process in alive]


def is_descriptor(text: str) -> bool:
    """Tell whether a word names a column."""
    return text in COLUMNS or text in AIX


def _numbered(content: bytes) -> dict[int, str]:
    """Return the names of a file in the format of passwd(5) or group(5) by number; of two the first counts."""
    found: dict[int, str] = {}
    for line in content.decode("utf-8", "replace").splitlines():
        fields = line.split(":")
        if len(fields) > 2 and fields[2].isascii() and fields[2].isdigit():
            found.setdefault(int(fields[2]), _shown(fields[0]))
    return found


def _shown(text: str) -> str:
    """Return a text of the container without what could move a cursor."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _mapping(path: str, pid: int) -> Mapping:
    """Return how numbers of a process's user namespace are ours; empty if it shares that with us."""
    try:
        if os.readlink(f"/proc/{pid}/ns/user") == os.readlink("/proc/self/ns/user"):
            return []
    except OSError:
        return []
    lines = (line.split() for line in processes.read_file(path).splitlines())
    return [(int(inside), int(outside), int(count)) for inside, outside, count in lines]


def _inside(number: int, mapping: Mapping) -> int:
    return next((inside + number - out for inside, out, count in mapping if out <= number < out + count), number)


def _outside(number: int, path: str) -> int:
    """Return what a number of ours is to the host."""
    lines = (line.split() for line in processes.read_file(path).splitlines())
    for inside, outside, count in ((int(a), int(b), int(c)) for a, b, c in lines):
        if inside <= number < inside + count:
            return outside + number - inside
    return number


def _boot_time() -> int:
    return time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def _args(view: View, process: Process) -> str:
    words = processes.read_file(f"/proc/{process.pid}/cmdline").rstrip("\0").split("\0")
    return _shown(" ".join(words)) if words != [""] else f"[{_shown(process.command)}]"


def _tty(view: View, process: Process) -> str:
    number = process.number(7)
    major, minor = os.major(number), os.minor(number)
    if 136 <= major <= 143:
        return f"pts/{(major - 136) * 256 + minor}"
    return "?" if not number else f"tty{minor}" if major == 4 else f"{major}/{minor}"


def _cpu(process: Process) -> int:
    return sum(process.cpu_ticks) * _SECOND // processes.TICKS


def _pcpu(view: View, process: Process) -> str:
    elapsed = view.elapsed(process)
    return f"{100 * _cpu(process) / elapsed if elapsed else 0:.3f}"


def _stime(view: View, process: Process) -> str:
    seconds, rest = divmod(view.started(process), _SECOND)
    fraction = f".{rest:09d}".rstrip("0").rstrip(".")
    moment = time.localtime(seconds)
    return time.strftime("%Y-%m-%d %H:%M:%S", moment) + fraction + time.strftime(" %z %Z", moment)


def _label(view: View, process: Process) -> str:
    found = processes.read_file(f"/proc/{process.pid}/attr/current").rstrip("\0\n")
    return _shown(found) or "?"


def _capabilities(field: str) -> Callable[[View, Process], str]:
    def tell(view: View, process: Process) -> str:
        from pod.containers.security.privileges import ALL_CAPABILITIES

        bits = int(view.status_of(process).get(field) or "0", 16)
        last = int(processes.read_file("/proc/sys/kernel/cap_last_cap") or len(ALL_CAPABILITIES) - 1)
        if not bits:
            return "none"
        if bits == (1 << (last + 1)) - 1:
            return "full"
        names = (name.removeprefix("CAP_") for number, name in enumerate(ALL_CAPABILITIES) if bits >> number & 1)
        return ",".join(sorted(names))

    return tell


def _id(field: str, which: int) -> Callable[[View, Process], str]:
    def tell(view: View, process: Process) -> str:
        number = view.status_of(process)[field].split()[which]
        return view.user(number) if field == "Uid" else view.group(number)

    return tell


def _host_user(view: View, process: Process) -> str:
    import pwd

    number = _outside(int(view.status_of(process)["Uid"].split()[1]), "/proc/self/uid_map")
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _host_group_name(number: str) -> str:
    import grp

    outside = _outside(int(number), "/proc/self/gid_map")
    try:
        return grp.getgrgid(outside).gr_name
    except KeyError:
        return str(outside)


def _groups(view: View, process: Process) -> list[str]:
    fields = view.status_of(process)
    return fields.get("Groups", "").split() or [fields["Gid"].split()[1]]


# The title of each column, and what it says of a process.
COLUMNS: dict[str, tuple[str, Callable[[View, Process], str]]] = {
    "args": ("COMMAND", _args),
    "capamb": ("AMBIENT CAPS", _capabilities("CapAmb")),
    "capbnd": ("BOUNDING CAPS", _capabilities("CapBnd")),
    "capeff": ("EFFECTIVE CAPS", _capabilities("CapEff")),
    "capinh": ("INHERITED CAPS", _capabilities("CapInh")),
    "capprm": ("PERMITTED CAPS", _capabilities("CapPrm")),
    "comm": ("COMMAND", lambda view, process: _shown(process.command)),
    "etime": ("ELAPSED", lambda view, process: go_duration(view.elapsed(process))),
    "group": ("GROUP", _id("Gid", 1)),
    "groups": ("GROUPS", lambda view, process: ",".join(map(view.group, _groups(view, process)))),
    "hgroup": ("HGROUP", lambda view, process: _host_group_name(view.status_of(process)["Gid"].split()[1])),
    "hgroups": ("HGROUPS", lambda view, process: ",".join(map(_host_group_name, _groups(view, process)))),
    "hpid": ("HPID", lambda view, process: str(process.pid)),
    "huser": ("HUSER", _host_user),
    "label": ("LABEL", _label),
    "nice": ("NI", lambda view, process: str(process.number(19))),
    "pcpu": ("%CPU", _pcpu),
    "pgid": ("PGID", lambda view, process: str(view.pids.get(process.number(5), 0))),
    "pid": ("PID", lambda view, process: str(view.pids[process.pid])),
    "ppid": ("PPID", lambda view, process: str(view.pids.get(process.parent, 0))),
    "rgroup": ("RGROUP", _id("Gid", 0)),
    "rss": ("RSS", lambda view, process: str(process.number(24) * processes.PAGE // 1024)),
    "ruser": ("RUSER", _id("Uid", 0)),
    "seccomp": ("SECCOMP", lambda view, process: _SECCOMP.get(view.status_of(process).get("Seccomp", ""), "?")),
    "state": ("STATE", lambda view, process: process.fields[0]),
    "stime": ("STIME", _stime),
    "time": ("TIME", lambda view, process: go_duration(_cpu(process))),
    "tty": ("TTY", _tty),
    "user": ("USER", _id("Uid", 1)),
    "vsz": ("VSZ", lambda view, process: str(process.number(23) // 1024)),
}
