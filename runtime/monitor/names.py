"""Who is on a network: a directory of small files, one for each container that is there, with its names and addresses.

The monitor of a container writes its file and removes it; resolvers read them all. A file that a kill left behind
counts for nothing: it names the process that it was written for. It is a text of lines, a word and what belongs to it:

    process PID START_TIME
    address ADDRESS          one for each, without prefix length
    name NAME                the container's own name first; then aliases and its short ID
    elements HEX             what the container has in the firewall, for whoever has to take that out; unread here
"""

from __future__ import annotations

import fcntl
import posix
import time

from runtime import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# A directory that has changed so recently may change again without showing it: its time is that of a clock tick.
_TICK = 50_000_000
_MODE = 0o600


class Entry:
    """A container on a network."""

    __slots__ = ("addresses", "elements", "names", "pid", "start_time")

    def __init__(
        self, pid: int, start_time: int, addresses: Iterable[str], names: Iterable[str], elements: bytes = b""
    ) -> None:
        self.pid = pid
        self.start_time = start_time
        self.addresses = list(addresses)
        self.names = list(names)
        self.elements = elements

    def is_alive(self) -> bool:
        """Tell whether the container's process still runs."""
        return process.is_alive(self.pid, self.start_time)

    def dump(self) -> bytes:
        """Return the content of the file. A name with white space, which no lookup could ask for, is left out."""
        lines = [f"process {self.pid} {self.start_time}"]
        lines += [f"address {address}" for address in self.addresses]
        lines += [f"name {name}" for name in self.names if name.split() == [name]]
        if self.elements:
            lines.append(f"elements {self.elements.hex()}")
        return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


def parse(content: bytes) -> Entry | None:
    """Return what a file tells; None if it is not whole."""
    entry = Entry(0, 0, (), ())
    try:
        for line in content.decode("utf-8", "surrogateescape").splitlines():
            word, *values = line.split(" ")
            if word == "process":
                entry.pid, entry.start_time = int(values[0]), int(values[1])
            elif word == "address":
                entry.addresses.append(values[0])
            elif word == "name":
                entry.names.append(values[0])
            elif word == "elements":
                entry.elements = bytes.fromhex(values[0])
    except (ValueError, IndexError):
        return None
    return entry if entry.pid > 0 and content.endswith(b"\n") else None


def read(path: bytes) -> Entry | None:
    """Read a file; None if it is not there or not whole."""
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NOFOLLOW | posix.O_NONBLOCK)
    except OSError:
        return None
    try:
        return parse(posix.read(fd, posix.fstat(fd).st_size))
    except OSError:
        return None
    finally:
        posix.close(fd)


def process_of(path: bytes) -> tuple[int, int]:
    """Return process ID and start time that a file names, and read no more of it; (0, 0) if it names none."""
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NOFOLLOW | posix.O_NONBLOCK)
    except OSError:
        return 0, 0
    try:
        words = posix.read(fd, 64).split(None, 3)
        return int(words[1]), int(words[2])
    except (OSError, ValueError, IndexError):
        return 0, 0
    finally:
        posix.close(fd)


def hold(path: bytes) -> int:
    """Lock a file, and return the descriptor that does; -1 if somebody else does, or has removed it."""
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NOFOLLOW | posix.O_NONBLOCK)
    except OSError:
        return -1
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        posix.close(fd)
        return -1
    return fd


def is_held(path: bytes) -> bool:
    """Tell whether somebody has locked a file, or has removed it meanwhile."""
    fd = hold(path)
    if fd >= 0:
        posix.close(fd)
    return fd < 0


def listed(directory: bytes) -> list[bytes]:
    """Return the names in a directory; none if it is not there."""
    try:
        return posix.listdir(directory)
    except OSError:
        return []


def whole(directory: bytes) -> list[bytes]:
    """Return the names in a directory, without what is only being written."""
    return [name for name in listed(directory) if not name.startswith(b".")]


def write(path: bytes, entry: Entry) -> None:
    """Write a file in one step, so that readers see the old or the new one; OSError if that fails, and nothing is left.

    The directory must exist. Only the container's monitor, or who holds its lock, may write the file.
    """
    directory, _, name = path.rpartition(b"/")
    temporary = directory + b"/." + name
    try:
        fd = posix.open(temporary, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, _MODE)
        try:
            view = memoryview(entry.dump())
            while view:
                view = view[posix.write(fd, view) :]
        finally:
            posix.close(fd)
        posix.rename(temporary, path)
    except OSError:
        try:
            posix.unlink(temporary)
        except OSError:
            pass
        raise


class Directory:
    """The containers of a network, read again when they have changed."""

    __slots__ = ("_entries", "_seen", "path")

    def __init__(self, path: bytes) -> None:
        self.path = path
        self._seen: tuple[int, int] | None = None  # inode and time of the directory when it was read
        # By file name: what tells that the file is the same, and its content.
        self._entries: dict[bytes, tuple[tuple[int, int, int], Entry]] = {}

    def entries(self) -> list[Entry]:
        """Return the entries of now, those of dead processes among them; none if there is no such directory."""
        try:
            status = posix.stat(self.path)
            seen = (status.st_ino, status.st_mtime_ns)
            if seen != self._seen:
                recent = abs(time.time_ns() - status.st_mtime_ns) < _TICK
                self._entries = self._read()
                self._seen = None if recent else seen
        except OSError:
            self._seen, self._entries = None, {}
        return [entry for _, entry in self._entries.values()]

    def _read(self) -> dict[bytes, tuple[tuple[int, int, int], Entry]]:
        found = {}
        for name in sorted(posix.listdir(self.path)):
            path = self.path + b"/" + name
            if name.startswith(b"."):
                continue
            try:
                status = posix.lstat(path)
            except OSError:
                continue
            same = (status.st_ino, status.st_mtime_ns, status.st_size)
            known = self._entries.get(name)
            if known and known[0] == same:
                found[name] = known
            elif entry := read(path):
                found[name] = (same, entry)
        return found
