"""The events file, as commands and monitors write it: one JSON object a line, each appended by one write(2).

    {"Time":1795413224413581056,"Status":"died","Name":"web","ContainerExitCode":0,"Type":"container","ID":…}

Nothing here raises or waits: an event that cannot be written is lost, never the operation that it tells of. When the
file passes its limit, it becomes `PATH.1` in place of the one before, under a lock: so history is bounded, and a reader
that has the file open goes on reading it. Only posix is imported, for the monitor's bare interpreter.
"""

from __future__ import annotations

import posix
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_APPEND = posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND | posix.O_CLOEXEC | posix.O_NOFOLLOW
_LONGEST_NAME = 4096
# How podman calls the fields of an event in the journal.
JOURNAL_FIELDS = {
    "ContainerExitCode": "PODMAN_EXIT_CODE",
    "HealthStatus": "PODMAN_HEALTH_STATUS",
    "HealthLog": "PODMAN_HEALTH_LOG",
    "HealthFailingStreak": "PODMAN_HEALTH_FAILING_STREAK",
    "Error": "PODMAN_ERROR",
    "PodID": "PODMAN_POD_ID",
    "Network": "PODMAN_NETWORK_NAME",
}
# The moments in a monitor's life; EventLog.words has the event of each.
MADE, STARTED, ENDED, CLEANED_UP = range(4)


class EventLog:
    """Writes the events of one object. `fixed` is what all of them say: the inside of a JSON object, in ASCII.

    For the journal it is the fields of an entry. An empty path writes nothing. A file `name` in `directory`, made by a
    rename while a monitor runs, overrules `name`.
    """

    __slots__ = ("directory", "fixed", "journal", "limit", "name", "path", "words")

    def __init__(
        self,
        path: str,
        limit: int,
        fixed: str | bytes,
        name: str,
        *,
        words: tuple[str, ...] = ("init", "start", "died", "cleanup"),
        directory: str = "",
        journal: str = "",
    ) -> None:
        self.path = path
        self.limit = limit
        self.fixed = fixed
        self.name = name
        self.words = words  # a monitor's: what it tells at the moments above
        self.directory = directory
        self.journal = journal  # journald's socket, in place of the path

    def freeze(self) -> tuple[Any, ...]:
        """Return what `thaw` needs, as plain values."""
        return (self.path, self.limit, self.fixed, self.name, self.words, self.directory, self.journal)

    @staticmethod
    def thaw(state: tuple[Any, ...]) -> EventLog:
        """Make the log again from what `freeze` returned."""
        path, limit, fixed, name, words, directory, journal = state
        return EventLog(path, limit, fixed, name, words=words, directory=directory, journal=journal)

    def write(self, status: str, fields: dict[str, str | int] | None = None) -> None:
        """Tell of an event; `fields` are further ones of podman's, such as ContainerExitCode or HealthStatus."""
        if not (self.path or self.journal) or not status:
            return
        try:
            if self.journal:
                self._send(status, fields or {})
            else:
                self._append(status, fields or {})
        except OSError:
            pass

    def _append(self, status: str, fields: dict[str, str | int]) -> None:
        assert isinstance(self.fixed, str)
        more = "".join(
            f'"{key}":{value if isinstance(value, int) else quoted(value)},' for key, value in fields.items()
        )
        name = quoted(self._renamed() or self.name)
        line = f'{{"Time":{time.time_ns()},"Status":"{status}","Name":{name},{more}{self.fixed}}}\n'
        append(self.path, line.encode("ascii", "replace"), self.limit)

    def _send(self, status: str, fields: dict[str, str | int]) -> None:
        """Send an entry with podman's fields to the journal."""
        # Whose module only those monitors have that need it.
        from runtime.moments import rfc3339
        from runtime.monitor.journald import Sender, field

        assert isinstance(self.fixed, bytes)
        name = self._renamed() or self.name
        moment = rfc3339(time.time_ns())
        entry = self.fixed + field("PODMAN_EVENT", status) + field("PODMAN_TIME", moment) + field("PODMAN_NAME", name)
        for key, value in fields.items():
            entry += field(JOURNAL_FIELDS[key], str(value))
        sender = Sender(self.journal)
        sender.send(entry + b"PRIORITY=6\n" + field("MESSAGE", f"{status} {name}"))
        sender.close()

    def reach(self, moment: int, fields: dict[str, str | int] | None = None) -> None:
        """Tell of a moment in a monitor's life."""
        self.write(self.words[moment], fields)

    def _renamed(self) -> str:
        if not self.directory:
            return ""
        try:
            fd = posix.open(f"{self.directory}/name", posix.O_RDONLY | posix.O_CLOEXEC)
        except OSError:
            return ""
        try:
            return posix.read(fd, _LONGEST_NAME).decode("utf-8", "replace").strip()
        finally:
            posix.close(fd)


def quoted(text: str) -> str:
    """Return a text as JSON has it, in ASCII."""
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    if text.isascii() and text.isprintable():
        return f'"{text}"'
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    number = ord(character)
    if 0x20 <= number < 0x7F:
        return character
    if number > 0xFFFF:
        number -= 0x10000
        return f"\\u{0xD800 + (number >> 10):04x}\\u{0xDC00 + (number & 0x3FF):04x}"
    return f"\\u{number:04x}"


def append(path: str, line: bytes, limit: int) -> None:
    """Append a line to a file, whose directory is made at need, and rotate the file if it is over its limit."""
    try:
        fd = posix.open(path, _APPEND, 0o600)
    except FileNotFoundError:
        _make_directory(path.rpartition("/")[0])
        fd = posix.open(path, _APPEND, 0o600)
    try:
        posix.write(fd, line)
        if posix.fstat(fd).st_size > limit:
            _rotate(path, fd)
    finally:
        posix.close(fd)


def _make_directory(path: str) -> None:
    try:
        posix.mkdir(path, 0o700)
    except FileExistsError:
        pass


def _rotate(path: str, fd: int) -> None:
    """Make the file of `fd` the previous one, unless another process does or did just that."""
    import fcntl

    lock = posix.open(f"{path}.lock", posix.O_RDWR | posix.O_CREAT | posix.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        named, held = posix.stat(path), posix.fstat(fd)
        if (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino):
            posix.rename(path, f"{path}.1")
    finally:
        posix.close(lock)
