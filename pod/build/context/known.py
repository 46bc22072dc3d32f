"""Digests of files' contents that were computed before: a file of a store, from what lstat(2) says to a digest.

A file that changed just before it was read is not remembered: what is written to it within the same tick of the clock
would not show (git's "racy" entries).
"""

from __future__ import annotations

import contextlib
import os
import struct
import time
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Device, inode, size, times of modification and of change.
_KEY = struct.Struct("<QQQqq")
_DIGEST = 32
_RECORD = _KEY.size + _DIGEST
_HEADER = struct.Struct("<16sI")
_MAGIC = b"pod digests 1"
# The clock that files are stamped with ticks every 10 ms at most; of file systems with whole seconds, every other one.
_TICK = 20_000_000
_COARSE_TICK = 2_000_000_000
_SECOND = 1_000_000_000
_CLOCK_REALTIME_COARSE = 5  # linux/time.h
# What was not asked for is kept as well, for a build of another target, but not for ever.
_MOST_UNUSED = 2
_FEW = 10_000
_UNUSED_SECONDS = 30 * 24 * 3600.0


def now() -> int:
    """Return the time by the clock that files are stamped with, in nanoseconds."""
    return time.clock_gettime_ns(_CLOCK_REALTIME_COARSE)


def key(status: os.stat_result) -> bytes:
    """Return what a file is told by."""
    return _KEY.pack(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class KnownDigests:
    """The digests of the files of one context; without a path, of this process alone.

    Whatever is wrong with the file, nothing is known. Two that save at once lose what the first has learned, no more.
    """

    def __init__(self, path: str = "") -> None:
        self._path = path
        self._stored: dict[bytes, bytes] = {}
        self._used: dict[bytes, bytes] = {}
        self._learned: dict[bytes, bytes] = {}  # since it was saved
        if path:
            with contextlib.suppress(OSError), open(path, "rb") as file:
                self._stored = dict(_records(file.read()))

    def find(self, status: os.stat_result) -> bytes | None:
        """Return the digest of a file that is known, else None."""
        name = _KEY.pack(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        found = self._used.get(name)
        if found is None:
            found = self._stored.get(name)
            if found is not None:
                self._used[name] = found
        return found

    def learn(self, status: os.stat_result, digest: bytes, started: int) -> None:
        """Remember a digest of what was read from the time `started` (`now`) on, if it can be trusted later."""
        latest = max(status.st_mtime_ns, status.st_ctime_ns)
        coarse = status.st_mtime_ns % _SECOND == 0 and status.st_ctime_ns % _SECOND == 0
        if latest + (_COARSE_TICK if coarse else _TICK) < started:
            self.add({key(status): digest})

    def add(self, learned: dict[bytes, bytes]) -> None:
        """Remember what another process has learned."""
        self._used |= learned
        self._learned |= learned

    def take_learned(self) -> dict[bytes, bytes]:
        """Return what was learned since the last call, for a process that saves it."""
        learned, self._learned = self._learned, {}
        return learned

    def save(self) -> None:
        """Write what is known now, in one step; a disk that is full, or only read, keeps what it had.

        Files of other contexts that no build has used for a month are removed.
        """
        if not self._path:
            return
        _remove_unused(os.path.dirname(self._path), time.time() - _UNUSED_SECONDS)
        if not self._learned:
            with contextlib.suppress(OSError):
                os.utime(self._path)  # it was used
            return
        unused = {name: digest for name, digest in self._stored.items() if name not in self._used}
        kept = unused if len(unused) <= max(_FEW, _MOST_UNUSED * len(self._used)) else {}
        content = b"".join(name + digest for known in (kept, self._used) for name, digest in known.items())
        temporary = f"{self._path}.{os.urandom(4).hex()}"
        try:
            with open(temporary, "xb", opener=_private) as file:
                file.write(_HEADER.pack(_MAGIC, zlib.crc32(content)) + content)
            os.rename(temporary, self._path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        self._learned = {}


def _remove_unused(directory: str, before: float) -> None:
    with contextlib.suppress(OSError):
        for entry in os.scandir(directory):
            if entry.stat(follow_symlinks=False).st_mtime < before:
                os.unlink(entry.path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield what a file has, which a power cut may have left anyhow."""
    if len(data) < _HEADER.size:
        return
    magic, checksum = _HEADER.unpack_from(data)
    content = data[_HEADER.size :]
    if magic.rstrip(b"\0") != _MAGIC or len(content) % _RECORD or zlib.crc32(content) != checksum:
        return
    for at in range(0, len(content), _RECORD):
        yield content[at : at + _KEY.size], content[at + _KEY.size : at + _RECORD]
