"""The tar reader: every dialect, every number format, and what it refuses."""

from __future__ import annotations

import io
import tarfile
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.errors import CorruptError, StorageError
from storage.layers import pax as pax_module
from storage.layers import tar
from storage.layers.stream import Stream
from storage.layers.tar import Reader
from tests.fixtures.tars import (
    END,
    archive,
    directory,
    file,
    gnu_long,
    header,
    link,
    padded,
    pax,
    records,
    symlink,
)

FIELDS = ("name", "kind", "mode", "uid", "gid", "size", "mtime", "atime", "link", "segments", "real_size", "xattrs")


def read(data: bytes, *, piece: int = 1 << 20) -> list[dict[str, Any]]:
    """Read all entries, their data skipped; check that everything was recorded once and in order."""
    recorded: list[bytes] = []
    chunks = iter([data[start : start + piece] for start in range(0, len(data), piece)])
    stream = Stream(chunks, recorded.append)
    entries = [{field: getattr(entry, field) for field in FIELDS} for entry in Reader(stream)]
    assert b"".join(recorded) == data
    return entries


def names(data: bytes) -> list[bytes]:
    return [entry["name"] for entry in read(data)]


def only(data: bytes) -> dict[str, Any]:
    (entry,) = read(data)
    return entry


# -- trap 26: types ------------------------------------------------------------------------------------------


def test_contiguous_and_old_files_are_regular() -> None:
    entries = read(archive(header(b"a", kind=b"7"), header(b"b", kind=b"\0"), header(b"c", kind=b"\0", magic=b"")))
    assert {entry["kind"] for entry in entries} == {tar.REGULAR}


def test_a_slash_makes_an_old_file_a_directory() -> None:
    assert only(archive(header(b"d/", kind=b"\0", magic=b"")))["kind"] == tar.DIRECTORY


def test_unknown_type_is_refused() -> None:
    with pytest.raises(CorruptError, match="unknown type `'Z'`"):
        read(archive(header(kind=b"Z")))


def test_global_header_gives_defaults() -> None:
    defaults = pax((b"uid", b"7"), (b"comment", b"0123abc"), (b"path", b"no"), (b"mtime", b"5"), kind=b"g")
    first, second = read(archive(defaults, header(b"a"), pax((b"uid", b"8")), header(b"b")))
    assert (first["name"], first["uid"], first["mtime"]) == (b"a", 7, 5_000_000_000)
    assert second["uid"] == 8


def test_a_size_on_other_types_means_no_data() -> None:
    data = archive(header(b"d/", kind=b"5", size=1024), header(b"l", kind=b"2", link=b"x", size=99), file(b"f"))
    assert [entry["size"] for entry in read(data)] == [0, 0, 0]


# -- trap 26: sparse files -----------------------------------------------------------------------------------


def test_gnu_sparse_with_extension_blocks() -> None:
    def pairs(*numbers: int) -> bytes:
        return b"".join(b"%011o\0" % number for number in numbers)

    segments = [(index * 4096, 512) for index in range(30)]
    flat = [number for pair in segments for number in pair]
    sparse = header(b"s", kind=b"S", size=30 * 512, magic=b"ustar  \0", patch=(386, pairs(*flat[:8]) + b"\1"))
    sparse = _with(sparse, 483, b"%011o\0" % 200_000)
    first = pairs(*flat[8:50]) + b"\1" + bytes(7)
    second = pairs(*flat[50:]).ljust(504, b"\0") + bytes(8)
    entry = only(archive(sparse, first, second, bytes(30 * 512)))
    assert (entry["segments"], entry["real_size"], entry["size"]) == (segments, 200_000, 30 * 512)


def _with(block: bytes, start: int, value: bytes) -> bytes:
    """Patch a header, and give it the checksum that it then needs."""
    patched = bytearray(block)
    patched[start : start + len(value)] = value
    patched[148:156] = b" " * 8
    patched[148:156] = b"%06o\0 " % sum(patched)
    return bytes(patched)


def test_pax_sparse_0_0() -> None:
    extended = pax(
        (b"GNU.sparse.size", b"10000"),
        (b"GNU.sparse.numblocks", b"2"),
        (b"GNU.sparse.offset", b"0"),
        (b"GNU.sparse.numbytes", b"3"),
        (b"GNU.sparse.offset", b"9000"),
        (b"GNU.sparse.numbytes", b"2"),
    )
    entry = only(archive(extended, file(b"s", b"abcde")))
    assert (entry["segments"], entry["real_size"], entry["size"]) == ([(0, 3), (9000, 2)], 10000, 5)


def test_pax_sparse_0_1() -> None:
    extended = pax(
        (b"GNU.sparse.name", b"real/name"), (b"GNU.sparse.size", b"10000"), (b"GNU.sparse.map", b"0,3,9000,2")
    )
    entry = only(archive(extended, file(b"GNUSparseFile.1/s", b"abcde")))
    assert (entry["name"], entry["segments"]) == (b"real/name", [(0, 3), (9000, 2)])


def test_pax_sparse_1_0() -> None:
    extended = pax(
        (b"GNU.sparse.major", b"1"),
        (b"GNU.sparse.minor", b"0"),
        (b"GNU.sparse.name", b"s"),
        (b"GNU.sparse.realsize", b"10000"),
    )
    stored = padded(b"2\n0\n3\n9000\n2\n") + b"abcde"
    entry = only(archive(extended, file(b"GNUSparseFile.1/s", stored)))
    assert (entry["segments"], entry["real_size"], entry["size"]) == ([(0, 3), (9000, 2)], 10000, 5)


@pytest.mark.parametrize(
    "value",
    [b"0,3,2,2", b"0,3,9999,2", b"0,3", b"0,3,5", b"0,-3,9,8", b"a,3", b"0,9223372036854775807,9223372036854775807,5"],
)
def test_bad_sparse_map_is_refused(value: bytes) -> None:
    with pytest.raises(CorruptError, match="sparse"):
        read(archive(pax((b"GNU.sparse.size", b"10000"), (b"GNU.sparse.map", value)), file(b"s", b"abcde")))


# -- trap 27: names ------------------------------------------------------------------------------------------


def test_prefix_only_of_ustar() -> None:
    assert names(archive(header(b"name", prefix=b"some/prefix"))) == [b"some/prefix/name"]
    assert names(archive(header(b"name", prefix=b"some/prefix", magic=b"ustar  \0"))) == [b"name"]
    star = header(b"name", prefix=b"some/prefix", patch=(508, b"tar\0"))
    assert names(archive(_with(star, 476, b"0000123"))) == [b"some/prefix/name"]


def test_a_name_may_fill_its_field() -> None:
    assert names(archive(header(b"n" * 100, prefix=b"p" * 155))) == [b"p" * 155 + b"/" + b"n" * 100]


def test_gnu_long_names() -> None:
    long = b"d/" * 300 + b"end"
    data = archive(gnu_long(long), gnu_long(b"t" * 500, kind=b"K"), header(b"short", kind=b"2", link=b"l"), file(b"f"))
    first, second = read(data)
    assert (first["name"], first["link"], second["name"]) == (long, b"t" * 500, b"f")


def test_pax_names_go_before_gnu_names() -> None:
    extended = pax((b"path", b"from pax"), (b"linkpath", b"link"), (b"hdrcharset", b"BINARY"))
    data = archive(extended, gnu_long(b"from gnu"), header(b"x", kind=b"2", link=b"l"))
    entry = only(data)
    assert (entry["name"], entry["link"]) == (b"from pax", b"link")


def test_names_are_bytes() -> None:
    assert names(archive(file(b"\xff\xfe"), pax((b"path", b"\xc3\x28")), file(b"x"))) == [b"\xff\xfe", b"\xc3\x28"]


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        (b"./a", b"a"),
        (b"/a//b/", b"a/b"),
        (b"a/./b/../c", b"a/c"),
        (b".", b""),
        (b"./", b""),
        (b"/", b""),
        (b".hidden", b".hidden"),
        (b"a/.hidden", b"a/.hidden"),
        (b"a/..b", b"a/..b"),
        (b"...", b"..."),
    ],
)
def test_names_are_cleaned(name: bytes, cleaned: bytes) -> None:
    assert tar.clean(name) == cleaned


@pytest.mark.parametrize("name", [b"..", b"../a", b"a/../../b", b"/..", b"/../a", b"./../a", b"a/../.."])
def test_names_that_leave_the_root_are_refused(name: bytes) -> None:
    with pytest.raises(CorruptError, match="leaves the root"):
        tar.clean(name)


def test_impossible_names_are_refused() -> None:
    with pytest.raises(CorruptError, match="too long"):
        read(archive(pax((b"path", b"a/" * 3000)), file(b"x")))
    with pytest.raises(CorruptError, match="NUL"):
        read(archive(pax((b"path", b"a\0b")), file(b"x")))
    with pytest.raises(CorruptError, match="no name"):
        read(archive(header(b"")))


# -- trap 28: numbers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (b"0000017\0", 15),
        (b"     17 ", 15),
        (b"17\0\0\0\0\0\0", 15),
        (b"00000017", 15),
        (b"\0" * 8, 0),
        (b"        ", 0),
        (b"\x80\0\0\0\0\0\0\x0f", 15),
        (b"\x80\0\0\0\0\1\0\0", 65536),
        (b"\xff" * 8, -1),
        (b"\xff\xff\xff\xff\xff\xff\xff\xfe", -2),
    ],
)
def test_numbers(field: bytes, value: int) -> None:
    assert tar.number(field, "x") == value


@pytest.mark.parametrize(
    "field", [b"0000018\0", b"-000017\0", b"+000017\0", b"0_0017 \0", b"0x17\0\0\0\0", b"1 7\0\0\0\0\0"]
)
def test_nonsense_numbers_are_refused(field: bytes) -> None:
    with pytest.raises(CorruptError, match="not a number"):
        tar.number(field, "x")


def test_base_256_and_pax_numbers() -> None:
    big = (1 << 33) + 5
    entry = only(archive(header(kind=b"5", uid=b"\x80" + (70_000).to_bytes(7, "big"), mtime=b"\xff" * 12)))
    assert (entry["uid"], entry["mtime"]) == (70_000, 0)
    extended = pax((b"uid", b"100000"), (b"gid", b"200000"), (b"size", b"3"), (b"mtime", b"%d.25" % big))
    entry = only(archive(extended, header(size=0), padded(b"abc")))
    assert (entry["uid"], entry["gid"], entry["size"]) == (100_000, 200_000, 3)
    assert entry["mtime"] == big * 10**9 + 250_000_000


@pytest.mark.parametrize("value", [b"-1", b"x", b"1e5", b"1_0", b"9" * 30])
def test_nonsense_pax_numbers_are_refused(value: bytes) -> None:
    for key in (b"uid", b"size"):
        with pytest.raises(CorruptError):
            read(archive(pax((key, value)), header()))


def test_impossible_owner_is_refused() -> None:
    with pytest.raises(CorruptError, match="impossible owner"):
        read(archive(header(uid=b"\x80\0\0\0\xff\xff\xff\xff")))


def test_size_beyond_the_stream_is_refused() -> None:
    with pytest.raises(CorruptError, match="ends within an entry"):
        read(header(size=10_000) + bytes(1024))


# -- trap 20: times ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("records_", "times"),
    [
        ([(b"mtime", b"-5.5")], (0, 0)),
        ([(b"mtime", b"10"), (b"atime", b"3")], (10 * 10**9, 10 * 10**9)),
        ([(b"mtime", b"10"), (b"atime", b"30.123456789012")], (10 * 10**9, 30_123_456_789)),
        ([(b"mtime", b"99999999999999999")], ((1 << 63) - 1, (1 << 63) - 1)),
    ],
)
def test_times_are_bounded(records_: list[tuple[bytes, bytes]], times: tuple[int, int]) -> None:
    entry = only(archive(pax(*records_), header()))
    assert (entry["mtime"], entry["atime"]) == times


# -- trap 29: checksums --------------------------------------------------------------------------------------


def test_signed_checksums() -> None:
    block = bytearray(header(b"\xe4" * 90))
    block[148:156] = b" " * 8
    signed = sum(byte - 256 if byte > 127 else byte for byte in block)
    block[148:156] = b"%06o\0 " % signed
    assert names(archive(bytes(block))) == [b"\xe4" * 90]


@pytest.mark.parametrize("checksum", [b"0000000\0", b"\0" * 8, b"        ", b"garbage!", b"-00001\0 "])
def test_wrong_checksum_is_refused(checksum: bytes) -> None:
    with pytest.raises(CorruptError, match="checksum"):
        read(archive(header(checksum=checksum)))


# -- trap 30: the end ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [b"", bytes(512), END, END + bytes(9000), END + b"whatever else", END + b"x" * 5000])
def test_the_end_may_be_short_or_long(end: bytes) -> None:
    for piece in (1, 100, 512, 1 << 20):
        if piece == 1 and len(end) > 5000:
            continue
        assert len(read(file(b"a", b"data") + end, piece=piece)) == 1


@pytest.mark.parametrize(
    "data", [file(b"a")[:300], file(b"a")[:500], bytes(512) + file(b"a"), pax((b"uid", b"1")) + END]
)
def test_a_broken_end_is_refused(data: bytes) -> None:
    with pytest.raises(CorruptError):
        read(data)


def test_an_empty_stream_has_no_entries() -> None:
    assert read(b"") == []


# -- trap 21: extended attributes ----------------------------------------------------------------------------


def test_xattrs_may_hold_any_bytes() -> None:
    value = b"\0\n=" + bytes(range(256))
    extended = pax(
        (b"SCHILY.xattr.user.a=b".replace(b"=", b"_"), value),
        (b"LIBARCHIVE.xattr.user.%E4", b"AAECAw"),
        (b"SCHILY.xattr.user.empty", b""),
    )
    entry = only(archive(extended, header()))
    assert dict(entry["xattrs"]) == {b"user.a_b": value, b"user.\xe4": b"\0\1\2\3", b"user.empty": b""}


def test_extensions_hold_for_one_entry() -> None:
    first, second = read(archive(pax((b"SCHILY.xattr.user.a", b"1"), (b"uid", b"9")), header(b"a"), header(b"b")))
    assert first["xattrs"]
    assert first["uid"] == 9
    assert not second["xattrs"]
    assert second["uid"] == 0


@pytest.mark.parametrize(
    "data", [b"4 a=\n", b"99 a=b\n", b"x a=b\n", b"6 a=bc", b"-6 a=b\n", b"7 abcd\n", b"0 a=b\n", b"3 =\n"]
)
def test_malformed_pax_records_are_refused(data: bytes) -> None:
    with pytest.raises(CorruptError):
        pax_module.parse_records(data)


def test_huge_extended_headers_are_refused() -> None:
    with pytest.raises(CorruptError, match="too large"):
        read(header(kind=b"x", size=1 << 30))
    with pytest.raises(CorruptError, match="too large"):
        read(header(kind=b"L", size=1 << 30))


# -- the oracle ----------------------------------------------------------------------------------------------

NAME = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=60).filter(
    lambda name: name not in {".", ".."} and not name.startswith(".wh.")
)


@st.composite
def members(draw: st.DrawFn) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo("/".join(draw(st.lists(NAME, min_size=1, max_size=6))))
    info.type = draw(st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE]))
    info.mode = draw(st.integers(0, 0o7777))
    info.uid, info.gid = draw(st.tuples(st.integers(0, 1 << 31), st.integers(0, 1 << 31)))
    info.mtime = draw(st.integers(0, 1 << 33))
    data = draw(st.binary(max_size=2000)) if info.type == tarfile.REGTYPE else b""
    info.size = len(data)
    if info.type in {tarfile.SYMTYPE, tarfile.LNKTYPE}:
        info.linkname = draw(NAME) * draw(st.integers(1, 5))
    return info, data


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(members(), max_size=8), st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]), st.integers(100, 3000)
)
def test_reads_what_tarfile_writes(made: list[tuple[tarfile.TarInfo, bytes]], format: int, piece: int) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as archive_:
        for info, data in made:
            archive_.addfile(info, io.BytesIO(data))
    entries = read(buffer.getvalue(), piece=piece)
    assert [entry["name"] for entry in entries] == [tar.clean(info.name.encode()) for info, _ in made]
    for entry, (info, data) in zip(entries, made, strict=True):
        assert (entry["mode"], entry["uid"], entry["gid"]) == (info.mode, info.uid, info.gid)
        assert (entry["size"], entry["mtime"]) == (len(data), int(info.mtime) * 10**9)
        assert entry["link"] == info.linkname.encode()
        assert entry["kind"] == info.type[0]


MIXED = archive(
    directory(b"d"),
    pax((b"SCHILY.xattr.user.a", b"b"), (b"mtime", b"1.5"), (b"GNU.sparse.size", b"9"), (b"GNU.sparse.map", b"2,4")),
    file(b"d/s", b"data"),
    gnu_long(b"long" * 50),
    symlink(b"l", b"d"),
    link(b"h", b"d/s"),
    pax((b"uid", b"1"), kind=b"g"),
    file(b"x" * 100, b"y" * 1000),
)


@settings(max_examples=400)
@given(
    st.lists(st.tuples(st.integers(0, len(MIXED) - 1), st.binary(min_size=1, max_size=20)), max_size=5), st.booleans()
)
def test_mutated_tars_raise_nothing_but_storage_errors(patches: list[tuple[int, bytes]], mend: bool) -> None:
    data = bytearray(MIXED)
    for start, patch in patches:
        data[start : start + len(patch)] = patch
    if mend:  # Let the reader get beyond the checksums.
        for start in range(0, len(data) - 511, 512):
            block = data[start : start + 512]
            if block[257:262] == b"ustar":
                data[start : start + 512] = _with(bytes(block), 0, b"")
    try:
        read(bytes(data[: len(MIXED)]))
    except StorageError:
        pass


@given(st.lists(st.tuples(st.binary(min_size=1).filter(lambda key: b"=" not in key), st.binary()), max_size=5))
def test_pax_records_round_trip(pairs: list[tuple[bytes, bytes]]) -> None:
    assert pax_module.parse_records(records(*pairs)) == pairs
