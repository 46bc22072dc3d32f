import os
import tempfile

from hypothesis import given, settings
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


def kept(path: bytes) -> bytes:
    """Return what the files of a log hold, the oldest first."""
    directory, _, name = path.rpartition(b"/")
    suffixes = [entry.removeprefix(name) for entry in os.listdir(directory) if entry.startswith(name)]
    text = b""
    for suffix in sorted(suffixes, key=lambda one: -int(one[1:] or 0)):
        with open(path + suffix, "rb") as file:
            text += file.read()
    return text


@given(st.lists(st.text(alphabet="ab\n", min_size=1, max_size=3000).map(str.encode), max_size=30), st.integers(1, 9000))
@settings(max_examples=30, deadline=None)
def test_rotation_neither_loses_nor_adds(chunks: list[bytes], limit: int) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        path = os.fsencode(directory) + b"/log"
        log = Log(path, limit=limit, files=1000)
        log.open()
        for number, chunk in enumerate(chunks):
            log.write(STDOUT, chunk)
            if number % 3 == 0:
                log = Log.thaw(log.freeze())
        log.close()
        texts = [line[45:] + (b"\n" if line[43:44] == b"F" else b"") for line in kept(path).split(b"\n")[:-1]]
        assert b"".join(texts) == b"".join(chunks)
        assert all(os.path.getsize(entry.path) <= max(limit, 4096) for entry in os.scandir(directory))


def test_oldest_file_goes(tmp_path: os.PathLike[str]) -> None:
    path = os.fsencode(tmp_path) + b"/log"
    log = Log(path, limit=4096, files=3)
    log.open()
    for number in range(400):
        log.write(STDOUT, b"%d\n" % number)
    log.close()
    assert sorted(os.listdir(tmp_path)) == ["log", "log.1", "log.2"]
    lines = [line[45:] for line in kept(path).split(b"\n")[:-1]]
    assert lines == [b"%d" % number for number in range(400 - len(lines), 400)]
    assert 2 * 4096 // 50 < len(lines) < 3 * 4096 // 45


def test_a_log_of_one_file_begins_anew(tmp_path: os.PathLike[str]) -> None:
    path = os.fsencode(tmp_path) + b"/log"
    log = Log(path, limit=4096, files=1)
    log.open()
    for number in range(200):
        log.write(STDOUT, b"%d\n" % number)
    log.close()
    assert os.listdir(tmp_path) == ["log"]
    assert kept(path).endswith(b" stdout F 199\n")


def test_what_could_not_be_written_is_told_later(tmp_path: os.PathLike[str]) -> None:
    notice = os.fsencode(tmp_path) + b"/lost"
    log = Log(b"/dev/full", notice=notice)
    log.open()
    log.write(STDOUT, b"lost\n")
    log.write(STDOUT, b"more\n")
    with open(notice) as file:
        assert file.read() == "10\n"
    again = Log(os.fsencode(tmp_path) + b"/log", notice=notice)  # as a restarted container's monitor has it
    again.open()
    again.write(STDOUT, b"whole\n")
    again.close()
    first, second = kept(os.fsencode(tmp_path) + b"/log").splitlines()
    assert first[35:] == b" stderr F pod: 10 bytes of output were lost: disk full"
    assert second[35:] == b" stdout F whole"
    assert first[:35] == second[:35]
    assert not os.path.exists(notice)
    log.close()


def test_beginning_of_a_record_that_a_killed_monitor_left_is_closed(tmp_path: os.PathLike[str]) -> None:
    path = os.fsencode(tmp_path) + b"/log"
    with open(path, "wb") as file:
        file.write(STAMP + b" stdout F begi")
    log = Log(path)
    log.open()
    log.write(STDOUT, b"whole\n")
    log.close()
    assert kept(path).split(b"\n")[1].endswith(b" stdout F whole")
