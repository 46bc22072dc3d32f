"""Inflating whatever a layer is compressed with."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
import zlib
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from storage import compression
from storage.compression import CHUNK, inflate, kind
from storage.errors import CorruptError

DATA = bytes(range(256)) * 5000

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}


def pieces(data: bytes, size: int = 1000) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("name", COMPRESS)
def test_round_trip(name: str) -> None:
    compressed = COMPRESS[name](DATA)
    assert kind(compressed) == name
    for size in (1, 7, 4096, len(compressed)):
        if size == 1 and len(compressed) > 100_000:
            continue
        assert b"".join(inflate(iter(pieces(compressed, size)))) == DATA


@pytest.mark.parametrize("name", ["gzip", "zstd", "bzip2", "xz"])
def test_many_members_make_one_stream(name: str) -> None:
    compressed = b"".join(COMPRESS[name](DATA[start : start + 3000]) for start in range(0, 60_000, 3000))
    for size in (100, 5000, len(compressed)):
        assert b"".join(inflate(iter(pieces(compressed, size)))) == DATA[:60_000]


def test_many_tiny_gzip_members_take_linear_time() -> None:
    member = gzip.compress(b"x")
    assert b"".join(inflate(iter([member * 20_000]))) == b"x" * 20_000


def test_zstd_skippable_frames_are_skipped() -> None:
    frame = b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc"
    data = frame + COMPRESS["zstd"](b"one") + frame + COMPRESS["zstd"](b"two")
    assert kind(data) == "zstd"
    assert b"".join(inflate(iter([data]))) == b"onetwo"


def test_zeros_may_follow_gzip() -> None:
    assert b"".join(inflate(iter([gzip.compress(b"data"), bytes(100), bytes(100)]))) == b"data"


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz"])
def test_truncated(name: str) -> None:
    with pytest.raises(CorruptError, match="ends early"):
        list(inflate(iter([COMPRESS[name](DATA)[:-10]])))


@pytest.mark.parametrize("name", ["gzip", "zstd", "bzip2", "xz"])
def test_damaged(name: str) -> None:
    compressed = bytearray(COMPRESS[name](DATA * 3))
    for position in range(20, min(120, len(compressed))):
        compressed[position] ^= 0xFF
    with pytest.raises(CorruptError, match=f"inflate {name}"):
        list(inflate(iter([bytes(compressed)])))


def test_garbage_after_gzip() -> None:
    with pytest.raises(CorruptError):
        list(inflate(iter([gzip.compress(b"data") + b"garbage"])))


@pytest.mark.parametrize("name", ["gzip", "zstd", "bzip2", "xz"])
def test_a_bomb_comes_in_bounded_pieces(name: str) -> None:
    bomb = COMPRESS[name](bytes(64 << 20))
    total = 0
    for piece in inflate(iter([bomb])):
        assert len(piece) <= 2 * CHUNK
        total += len(piece)
    assert total == 64 << 20


def test_plain_chunks_are_cut() -> None:
    assert [len(piece) for piece in inflate(iter([bytes(2 * CHUNK + 5)]))] == [CHUNK, CHUNK, 5]


@pytest.mark.parametrize("data", [b"", b"a", b"\x1f"])
def test_short_streams_are_plain(data: bytes) -> None:
    assert b"".join(inflate(iter([data]))) == data


def test_without_isal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "isal", None)
    made = compression._gzip_decompressor()()
    assert type(made._inner) is type(zlib.decompressobj())
    compressed = gzip.compress(DATA) * 2
    assert b"".join(inflate(iter(pieces(compressed, 333)))) == DATA * 2


@given(st.lists(st.binary(max_size=2000), max_size=10), st.integers(1, 500))
def test_any_members_any_pieces(members: list[bytes], size: int) -> None:
    compressed = b"".join(map(gzip.compress, members))
    assert b"".join(inflate(iter(pieces(compressed, size)))) == b"".join(members)
