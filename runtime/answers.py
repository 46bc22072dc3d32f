"""The page in which the program that probes a container notes how each check went, without waking anybody up.

It is a file beside the monitor's own. The program maps it (runtime/steps.py writes to it); the monitor reads it, and so
do commands that tell how a container is. Its words are numbers of 8 bytes: `count` of the answers so far, the monitor's
`wish`, the answer that is in the making (when the check began and ended, each in seconds and nanoseconds since 1970,
and its wait status), one word that nobody uses, and the last 64 answers in a ring. An answer is there before it counts.
"""

from __future__ import annotations

import posix

from runtime.moments import SECOND

TYPE_CHECKING = False
if TYPE_CHECKING:
    Answer = tuple[int, int, int]  # when the check began and ended, in nanoseconds since 1970, and its wait status

# What the monitor wishes to be told by the program, through its pipe: of failures, and of all from this count on. While
# that is not LOUD the container is healthy for all that its monitor knows, and the successes that have been noted since
# are as good as logged.
LOUD = 0
LISTENING = 1  # it is just about to look
_AT_ONCE = 48  # checks are slept over, before the ring is full

SKIPPED = 0xFFFFFFFF  # the status where nothing was run: the container was paused
BEGAN = 16
_WISH = 8
_HEADER, _ANSWER, _SLOTS = 64, 40, 64
SIZE = _HEADER + _SLOTS * _ANSWER


def create(path: bytes) -> int:
    """Make a page, which commands find whole or not at all; raises OSError.

    All of it has its place on the disk: a full one would kill who writes to it.
    """
    new = path + b".new"
    fd = posix.open(new, posix.O_RDWR | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o600)
    try:
        _fill(fd)
        posix.rename(new, path)
    except OSError:
        posix.close(fd)
        posix.unlink(new)
        raise
    return fd


def create_unnamed() -> int:
    """Make a page that no command finds."""
    fd = posix.memfd_create("pod-answers", posix.MFD_CLOEXEC)
    _fill(fd)
    return fd


def _fill(fd: int) -> None:
    if posix.write(fd, bytes(SIZE)) != SIZE:
        raise OSError(28, posix.strerror(28))  # ENOSPC


def quiet(seen: int) -> int:
    """Return what to wish after so many answers if all is well."""
    return seen + _AT_ONCE


def wish(fd: int, what: int) -> None:
    """Say what is to be told from now on: of a check that ends before this is seen, the answer is there already."""
    posix.pwrite(fd, what.to_bytes(8, "little"), _WISH)


def read(fd: int, seen: int) -> tuple[int, list[Answer], bool]:
    """Return the wish, the answers after the first `seen` that are still there, and whether a check is under way."""
    # In two calls, so that no answer can be younger than the count.
    count, what, second, part, *_ = memoryview(posix.pread(fd, _HEADER, 0)).cast("q")
    # Of the oldest one a check that ends meanwhile may leave but a part.
    first = min(count, max(seen, count - _SLOTS + 2))
    found = [_answer(fd, number) for number in range(max(0, min(first, count - 1)), count)]
    last = found[-1][0] if found else 0
    return what, found[len(found) - (count - first) :], second * SECOND + part != last


def unheard(path: str) -> list[Answer]:
    """Return the answers that the monitor has not heard or has only just, and some before; none if it hears of all."""
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return []
    try:
        what, found, _ = read(fd, 0)
    finally:
        posix.close(fd)
    return [] if what == LOUD else found


def _answer(fd: int, number: int) -> Answer:
    content = posix.pread(fd, _ANSWER, _HEADER + number % _SLOTS * _ANSWER)
    second, part, last_second, last_part, status = memoryview(content).cast("q")
    return second * SECOND + part, last_second * SECOND + last_part, status
