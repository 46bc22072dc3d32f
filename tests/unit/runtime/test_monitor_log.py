import os

from hypothesis import given
from hypothesis import strategies as st

from runtime.monitor.log import STDERR, STDOUT, Log, records, time_text

STAMP = b"2026-11-23T05:53:44.413581056+00:00"


def written(data: bytes, stream: bytes) -> bytes:
    return b"".join(records(data, STAMP, stream))


def joined(text: bytes) -> bytes:
    """Put the output together again from its records."""
    output = b""
    for record in text.split(b"\n")[:-1]:
        assert record.startswith(STAMP + b" stdout ")
        kind, body = record[43:45], record[45:]
        output += body + (b"\n" if kind == b"F " else b"")
    return output


def test_time_has_nine_digits_and_utc() -> None:
    assert time_text(1795413224413581056) == "2026-11-23T05:53:44.413581056+00:00"
    assert time_text(5) == "1970-01-01T00:00:00.000000005+00:00"


def test_whole_lines() -> None:
    assert written(b"a\n\nb\n", b"stdout") == b"".join(STAMP + b" stdout F " + t + b"\n" for t in (b"a", b"", b"b"))


def test_piece_after_lines() -> None:
    assert written(b"a\nb", b"stderr") == STAMP + b" stderr F a\n" + STAMP + b" stderr P b\n"


def test_only_a_piece() -> None:
    assert written(b"abc", b"stdout") == STAMP + b" stdout P abc\n"


@given(st.text(alphabet="ab\n \\F", min_size=1).map(str.encode))
def test_nothing_is_lost_or_added(data: bytes) -> None:
    assert joined(written(data, b"stdout")) == data


def test_log_appends_and_reopens(tmp_path: os.PathLike[str]) -> None:
    path = os.fsencode(tmp_path) + b"/ctr.log"
    log = Log(path)
    log.open()
    log.write(STDOUT, b"one\n")
    os.rename(path, path + b".1")
    log.open()
    log.write(STDERR, b"two\n")
    log.close()
    with open(path + b".1", "rb") as first, open(path, "rb") as second:
        assert first.read().endswith(b" stdout F one\n")
        assert second.read().endswith(b" stderr F two\n")


def test_driver_none_writes_nothing() -> None:
    log = Log(b"")
    log.open()
    log.write(STDOUT, b"text\n")
    assert log.fd == -1


def test_full_disk_neither_raises_nor_garbles_the_next_record() -> None:
    log = Log(b"/dev/full")
    log.fd = os.open("/dev/full", os.O_WRONLY | os.O_CLOEXEC)
    log.write(STDOUT, b"lost\n")
    assert not log.torn
    read_end, write_end = os.pipe()
    os.close(log.fd)
    log.fd, log.torn = write_end, True
    log.write(STDOUT, b"whole\n")
    assert os.read(read_end, 4096).startswith(b"\n20")
    assert not log.torn
    log.close()
    os.close(read_end)
