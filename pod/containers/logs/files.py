"""The files of a container's log: the present one, PATH, and its predecessors PATH.1, PATH.2 and so on.

They are renamed while we look, but only to higher numbers: opened from the present one on, none is missed, and one that
is met twice is known by its inode.
"""

from __future__ import annotations

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    Identity = tuple[int, int]

BLOCK = 1 << 18
_ATTEMPTS = 100  # At opening all files of a log that is rotated all the time.
TIME = 35  # The length of a time.
TEXT = TIME + 10  # Where the text begins: " stdout F " follows the time.


class LogFile:
    """An open file of a log, and how far it has been read."""

    __slots__ = ("fd", "identity", "offset")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.offset = 0
        status = posix.fstat(fd)
        self.identity: Identity = (status.st_dev, status.st_ino)

    @property
    def size(self) -> int:
        """How long the file is now."""
        return posix.fstat(self.fd).st_size

    def close(self) -> None:
        """Close the file."""
        posix.close(self.fd)


def opened(path: str) -> LogFile | None:
    """Open one file; None if it is not there."""
    try:
        return LogFile(posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC))
    except FileNotFoundError:
        return None


def identity(path: str) -> Identity | None:
    """Return which file has this name now."""
    try:
        status = posix.stat(path)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def chain(path: str) -> list[LogFile]:
    """Open all files of a log, the oldest first."""
    for _ in range(_ATTEMPTS):
        found = _opened_downwards(path)
        if not found or found[0].identity == identity(path):
            break
        # It was rotated meanwhile, perhaps more than once: then one that is newer than the first may follow it.
        for file in found:
            file.close()
    else:
        found = _opened_downwards(path)
    found.reverse()
    return found


def _opened_downwards(path: str) -> list[LogFile]:
    """Open the present file, then those with numbers, in the order of these."""
    highest = _highest(path)
    found: list[LogFile] = []
    known: set[Identity] = set()
    number = 0
    while True:
        file = opened(f"{path}.{number}" if number else path)
        if file is None and number > highest:
            return found
        number += 1
        if file is None:
            continue
        if file.identity in known:
            file.close()
            continue
        known.add(file.identity)
        found.append(file)


def _highest(path: str) -> int:
    directory, _, name = path.rpartition("/")
    try:
        names = posix.listdir(directory or "/")
    except OSError:
        return 0
    suffixes = [entry[len(name) + 1 :] for entry in names if entry.startswith(f"{name}.")]
    return max((int(suffix) for suffix in suffixes if suffix.isascii() and suffix.isdigit()), default=0)


def is_record(record: bytes) -> bool:
    """Tell whether a line of the file has the form of a record."""
    return record[TIME : TEXT - 2] in (b" stdout ", b" stderr ") and record[TEXT - 2 : TEXT] in (b"F ", b"P ")


def go_to_tail(files: list[LogFile], tail: int) -> None:
    """Set where the last `tail` lines begin: older files are then read to their end only."""
    begun: set[bytes] = set()  # Streams of which a record was seen: a piece before it has its end further on.
    for file in reversed(files):
        if tail < 0:
            file.offset = file.size
            continue
        file.offset, tail = _tail(file, tail, begun)


def _tail(file: LogFile, tail: int, begun: set[bytes]) -> tuple[int, int]:
    """Return where the lines begin, and how many are wanted of older files: -1 for nothing more of them.

    Reads back from the end, block by block.
    """
    offset = file.size
    carry = b""  # The end of a record whose beginning lies in the block before.
    while offset > 0:
        size = min(BLOCK, offset)
        offset -= size
        data = posix.pread(file.fd, size, offset) + carry
        start = data.find(b"\n") + 1 if offset else 0
        if offset and not start:
            carry = data
            continue
        carry = data[:start]
        *records, unfinished = data[start:].split(b"\n")
        end = len(data) - len(unfinished)
        for record in reversed(records):
            stream = record[TIME + 1 : TIME + 7]
            if is_record(record) and (record[TIME + 8 : TIME + 9] == b"F" or stream not in begun):
                if not tail:
                    return offset + end, -1
                begun.add(stream)
                tail -= 1
            end -= len(record) + 1
    return 0, tail


def go_to_moment(files: list[LogFile], moment: bytes) -> None:
    """Pass over the beginning of a log, as far as it is older than a moment: a search by halves, for long logs."""
    for file in files:
        low, high = file.offset, file.size
        while high - low > BLOCK:
            middle = (low + high) // 2
            time = _time_after(file.fd, middle)
            if time is not None and time < moment:
                low = middle
            else:
                high = middle
        if low > file.offset:
            file.offset = _line_after(file.fd, low)


def _line_after(fd: int, offset: int) -> int:
    """Return where the first line begins that begins after an offset."""
    while data := posix.pread(fd, BLOCK, offset):
        at = data.find(b"\n")
        if at >= 0:
            return offset + at + 1
        offset += len(data)
    return offset


def _time_after(fd: int, offset: int) -> bytes | None:
    """Return the time of a record soon after an offset; None if none is found."""
    data = posix.pread(fd, BLOCK, offset)
    for record in data.split(b"\n")[1:-1]:
        if is_record(record):
            return record[:TIME]
    return None
