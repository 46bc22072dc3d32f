import os
import tempfile
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod.containers.logs import files as log_files
from pod.containers.logs import reading as logs
from runtime.monitor.log import STDERR, STDOUT, Log, time_text


def stamp(second: int) -> str:
    return time_text(second * 10**9)


def write(path: Path, *records: tuple[int, str, str, str]) -> Path:
    path.write_text("".join(f"{stamp(second)} {stream} {kind} {text}\n" for second, stream, kind, text in records))
    return path


def texts(path: Path, **options: int) -> list[bytes]:
    return [line.text for line in logs.read(str(path), **options)]


def test_lines_have_time_stream_and_text(tmp_path: Path) -> None:
    path = write(tmp_path / "log", (1, "stdout", "F", "a b"), (2, "stderr", "F", ""))
    first, second = logs.read(str(path))
    assert (first.time, first.stream, first.text, first.partial) == (stamp(1), "stdout", b"a b", False)
    assert (second.stream, second.text) == ("stderr", b"")


def test_pieces_are_joined_by_stream(tmp_path: Path) -> None:
    path = write(
        tmp_path / "log",
        (1, "stdout", "P", "out"),
        (2, "stderr", "P", "err"),
        (3, "stdout", "F", "put"),
        (4, "stderr", "P", "or"),
    )
    one, two = logs.read(str(path))
    assert (one.time, one.text, one.partial) == (stamp(1), b"output", False)
    assert (two.time, two.text, two.partial) == (stamp(2), b"error", True)


def test_very_long_line_comes_in_pieces(tmp_path: Path) -> None:
    path = write(tmp_path / "log", *[(1, "stdout", "P", "x" * 60000)] * 40, (1, "stdout", "F", "end"))
    lines = list(logs.read(str(path)))
    assert b"".join(line.text for line in lines) == b"x" * 2400000 + b"end"
    assert [line.partial for line in lines] == [True] * (len(lines) - 1) + [False]
    assert [line.continued for line in lines] == [False] + [True] * (len(lines) - 1)


def test_since_and_until_include_their_moment(tmp_path: Path) -> None:
    path = write(tmp_path / "log", *((second, "stdout", "F", str(second)) for second in range(10)))
    assert texts(path, since=3 * 10**9, until=5 * 10**9) == [b"3", b"4", b"5"]
    assert texts(path, tail=4, until=7 * 10**9) == [b"6", b"7"]


def test_what_is_no_record_is_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path / "log", (1, "stdout", "F", "good"))
    with open(path, "a") as file:
        file.write(f"garbage\n\n{stamp(2)} stdou\n{stamp(3)} stdout F good too\n{stamp(4)} stdout F unfinished")
    assert texts(path) == [b"good", b"good too"]
    assert texts(path, tail=1) == [b"good too"]


def test_missing_log_is_empty(tmp_path: Path) -> None:
    assert texts(tmp_path / "none") == []


@given(
    st.lists(st.text(alphabet="ab\n", min_size=1, max_size=30), max_size=20),
    st.integers(0, 12),
    st.integers(1, 300),
)
def test_tail_is_the_end_of_all(chunks: list[str], tail: int, block: int) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_files, "BLOCK", block)
        path = f"{directory}/log"
        log = Log(os.fsencode(path))
        log.open()
        for chunk in chunks:
            log.write(STDOUT, chunk.encode())
        log.close()
        everything = [(line.time, line.text, line.partial) for line in logs.read(path)]
        assert [text for _, text, _ in everything] == [part.encode() for part in _lines("".join(chunks))]
        last = [(line.time, line.text, line.partial) for line in logs.read(path, tail=tail)]
        assert last == everything[max(0, len(everything) - tail) :]


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    return lines if lines[-1] else lines[:-1]


def test_tail_of_a_big_log_reads_only_its_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with open(path, "wb") as file:
        file.truncate(1 << 34)  # 16 GiB of zeros, and then two lines.
        file.seek(0, os.SEEK_END)
        file.write(f"\n{stamp(1)} stdout F one\n{stamp(2)} stdout F two\n".encode())
    before = time.monotonic()
    assert texts(path, tail=1) == [b"two"]
    assert time.monotonic() - before < 5


def test_follow_gives_lines_as_they_come_until_the_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = Log(os.fsencode(path))
    log.open()
    log.write(STDOUT, b"before\n")
    running = True

    def container() -> None:
        nonlocal running
        for number in range(5):
            time.sleep(0.02)
            log.write(STDERR, b"line %d\n" % number)
        log.write(STDOUT, b"prompt> ")
        time.sleep(0.3)
        log.write(STDOUT, b"answer\n")
        running = False

    writer = threading.Thread(target=container)
    writer.start()
    lines = list(logs.follow(str(path), is_running=lambda: running))
    writer.join()
    log.close()
    assert [line.text for line in lines] == [b"before", *(b"line %d" % n for n in range(5)), b"prompt> ", b"answer"]
    assert [(line.partial, line.continued) for line in lines[-2:]] == [(True, False), (False, True)]


def test_follow_until_a_past_moment_ends(tmp_path: Path) -> None:
    path = write(tmp_path / "log", (1, "stdout", "F", "a"), (3, "stdout", "F", "b"))
    lines = logs.follow(str(path), until=2 * 10**9, is_running=lambda: True)
    assert [line.text for line in lines] == [b"a"]


def test_follow_reads_a_truncated_log_from_its_beginning(tmp_path: Path) -> None:
    path = write(tmp_path / "log", (1, "stdout", "F", "old"), (1, "stdout", "F", "older"))
    answers = iter([True, True, False])
    lines = []
    for line in logs.follow(str(path), is_running=lambda: next(answers)):
        lines.append(line.text)
        if line.text == b"older":
            write(path, (2, "stdout", "F", "new"))
    assert lines == [b"old", b"older", b"new"]


def test_follow_waits_for_a_log_only_while_there_may_be_one(tmp_path: Path) -> None:
    answers = iter([True, False])
    assert list(logs.follow(str(tmp_path / "none"), is_running=lambda: next(answers))) == []
