"""Streams put together to larger pieces, and read ahead by a thread."""

from __future__ import annotations

import threading
from collections.abc import Generator

import pytest

from storage.errors import CorruptError
from storage.pieces import ahead, gathered


def counted(count: int, closed: list[int], size: int = 1) -> Generator[bytes]:
    """Yield pieces, and note how many there were when it ends."""
    number = 0
    try:
        for number in range(count):
            yield bytes([number % 256]) * size
    finally:
        closed.append(number)


def test_small_pieces_become_large_ones() -> None:
    pieces = list(gathered(counted(1000, [], 1000)))
    assert b"".join(pieces) == b"".join(counted(1000, [], 1000))
    assert [len(piece) >= 256 << 10 for piece in pieces] == [True, True, True, False]
    assert list(gathered(iter([]))) == []


def test_what_is_read_ahead_is_the_same() -> None:
    closed: list[int] = []
    assert b"".join(ahead(counted(1000, closed))) == b"".join(counted(1000, []))
    assert closed == [999]


def test_an_error_comes_where_it_was_met() -> None:
    def failing() -> Generator[bytes]:
        yield b"before"
        raise CorruptError("damaged")

    pieces = ahead(failing())
    assert next(pieces) == b"before"
    with pytest.raises(CorruptError, match="damaged"):
        next(pieces)


def test_who_stops_early_leaves_no_thread() -> None:
    closed: list[int] = []
    before = set(threading.enumerate())
    pieces = ahead(counted(1_000_000, closed))
    next(pieces)
    pieces.close()
    assert set(threading.enumerate()) <= before  # those of tests before this one may end meanwhile
    assert len(closed) == 1
    assert closed[0] < 100
