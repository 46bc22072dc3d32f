"""Reading a log that consists of several files, also while it is rotated."""

import os
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pod.containers.logs import files as log_files
from pod.containers.logs import reading as logs
from runtime.monitor.log import STDERR, STDOUT, Log, time_text


def write(path: Path, *records: tuple[int, str, str]) -> None:
    path.write_text("".join(f"{time_text(second * 10**9)} stdout {kind} {text}\n" for second, kind, text in records))


def texts(path: Path, **options: int) -> list[bytes]:
    return [line.text for line in logs.read(str(path), **options)]


@pytest.fixture(name="path")
def rotated(tmp_path: Path) -> Path:
    """A log of three files; the line `broken` goes on in the next file."""
    path = tmp_path / "log"
    write(tmp_path / "log.10", (1, "F", "one"))
    write(tmp_path / "log.2", (2, "F", "two"), (3, "P", "bro"))
    write(path, (4, "F", "ken"), (5, "F", "five"))
    (tmp_path / "log.new").write_text("left by a crash")
    return path


def test_files_are_read_in_their_order_and_gaps_do_no_harm(path: Path) -> None:
    assert texts(path) == [b"one", b"two", b"broken", b"five"]


@pytest.mark.parametrize("tail", range(6))
def test_tail_counts_across_files(path: Path, tail: int) -> None:
    everything = [b"one", b"two", b"broken", b"five"]
    assert texts(path, tail=tail) == everything[max(0, 4 - tail) :]


def test_moments_are_found_across_files(path: Path) -> None:
    assert texts(path, since=2 * 10**9, until=2 * 10**9) == [b"two"]
    assert texts(path, tail=2, since=5 * 10**9) == [b"five"]


def test_end_of_an_old_file_without_end_of_line_is_passed_over(path: Path) -> None:
    with open(f"{path}.2", "a") as file:
        file.write(f"{time_text(3)} stdout F cut")
    assert texts(path) == [b"one", b"two", b"broken", b"five"]


@given(st.integers(0, 4000), st.integers(1, 3000))
@settings(max_examples=25, deadline=None)
def test_search_for_a_moment_finds_what_reading_all_would(moment: int, block: int) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_files, "BLOCK", block)
        path = Path(directory) / "log"
        write(path, *((second, "F", str(second)) for second in range(1000, 3000, 3)))
        expected = [str(second).encode() for second in range(1000, 3000, 3) if second >= moment]
        assert texts(path, since=moment * 10**9) == expected


def test_rotations_while_the_files_are_opened_do_not_change_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "log")
    log = Log(os.fsencode(path), limit=5000, files=100)
    log.open()
    numbers = iter(range(1000))
    for _ in range(5):
        log.write(STDOUT, b"%02000d\n" % next(numbers))
    rotations = iter([5, 5])
    opened = log_files.opened

    def rotated_after_the_first(name: str) -> log_files.LogFile | None:
        file = opened(name)
        for _ in range(next(rotations, 0) if name == path else 0):
            log.write(STDOUT, b"%02000d\n" % next(numbers))
        return file

    monkeypatch.setattr(log_files, "opened", rotated_after_the_first)
    found = texts(Path(path))
    assert [int(text) for text in found] == list(range(next(numbers)))


def test_followers_lose_nothing_while_the_log_is_rotated(tmp_path: Path) -> None:
    path = str(tmp_path / "log")
    log = Log(os.fsencode(path), limit=5000, files=1000)
    log.open()
    running = True
    found: list[list[bytes]] = [[], []]

    def follow(into: list[bytes]) -> None:
        into.extend(line.text for line in logs.follow(path, is_running=lambda: running))

    followers = [threading.Thread(target=follow, args=(into,)) for into in found]
    for follower in followers:
        follower.start()
    for number in range(5000):
        log.write(STDERR if number % 5 == 0 else STDOUT, b"%d\n" % number)
    log.close()
    running = False
    for follower in followers:
        follower.join()
    for into in found:
        assert into == [b"%d" % number for number in range(5000)]


def test_follower_begins_before_there_is_a_log(tmp_path: Path) -> None:
    answers = iter([True, True, False])
    path = tmp_path / "log"

    def is_running() -> bool:
        if not path.exists():
            write(path, (1, "F", "first"))
        return next(answers)

    assert [line.text for line in logs.follow(str(path), is_running=is_running)] == [b"first"]
