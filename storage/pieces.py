"""Streams of bytes between the steps of a copy: put together to larger pieces, and read ahead by a thread."""

from __future__ import annotations

import queue
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_LARGE = 256 << 10
_AHEAD = 16


def gathered(pieces: Iterator[bytes]) -> Generator[bytes]:
    """Put small pieces together: each costs a call wherever it goes, and is hashed with the interpreter's lock held.

    What is yielded comes when the piece behind it has been read.
    """
    parts: list[bytes] = []
    size = 0
    for piece in pieces:
        if size >= _LARGE:
            yield b"".join(parts)
            parts.clear()
            size = 0
        parts.append(piece)
        size += len(piece)
    if parts:
        yield b"".join(parts)


def ahead(pieces: Generator[bytes]) -> Generator[bytes]:
    """Yield the same, read a few pieces ahead by a thread, which ends with this iterator.

    Raises what the reading raises.
    """
    taken: queue.Queue[bytes | BaseException | None] = queue.Queue(_AHEAD)
    stopped = threading.Event()

    def read() -> None:
        end: BaseException | None = None
        try:
            for piece in pieces:
                taken.put(piece)
                if stopped.is_set():
                    break
            pieces.close()
        except BaseException as error:
            end = error
        taken.put(end)

    thread = threading.Thread(target=read, name="read ahead", daemon=True)
    thread.start()
    try:
        while isinstance(item := taken.get(), bytes):
            yield item
        if item is not None:
            raise item
    finally:
        stopped.set()
        while thread.is_alive():
            try:
                taken.get(timeout=0.01)
            except queue.Empty:
                pass
