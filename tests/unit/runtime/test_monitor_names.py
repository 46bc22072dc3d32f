"""The files by which containers of a network know each other."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime import process
from runtime.monitor import names
from runtime.monitor.names import Directory, Entry

PID = os.getpid()
START = process.start_time(PID) or 0
OLD = time.time_ns() - 60_000_000_000


def entry(*own: str, addresses: tuple[str, ...] = ("10.89.0.2", "fd00::2"), elements: bytes = b"") -> Entry:
    return Entry(PID, START, addresses, own, elements)


def settle(directory: Path) -> None:
    """Make the directory look as if it had changed long ago."""
    os.utime(directory, ns=(OLD, OLD))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = bytes(tmp_path / "id")
    names.write(path, entry("web", "db", "0123456789ab", elements=b"\x00\n\xff"))
    found = names.read(path)
    assert found is not None
    assert (found.pid, found.start_time) == (PID, START)
    assert found.addresses == ["10.89.0.2", "fd00::2"]
    assert found.names == ["web", "db", "0123456789ab"]
    assert found.elements == b"\x00\n\xff"
    assert found.is_alive()
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["id"]


def test_names_with_white_space_are_left_out() -> None:
    found = names.parse(entry("web", "a b", "c\nprocess 1 1", "", "d\x85e").dump())
    assert found is not None
    assert found.names == ["web"]
    assert found.pid == PID


@settings(max_examples=50)
@given(st.text(), st.lists(st.text()), st.binary())
def test_any_name_comes_back_or_is_left_out(own: str, others: list[str], elements: bytes) -> None:
    try:
        content = entry(own, *others, elements=elements).dump()
    except UnicodeEncodeError:
        return
    found = names.parse(content)
    assert found is not None
    assert found.names == [name for name in [own, *others] if name.split() == [name]]
    assert found.elements == elements


@settings(max_examples=50)
@given(st.binary())
def test_damaged_files_are_nothing_or_an_entry(content: bytes) -> None:
    found = names.parse(content)
    assert found is None or found.pid > 0


@pytest.mark.parametrize(
    "content", [b"", b"process 1", b"process 1 2", b"process a b\n", b"process 1 2\naddress\n", b"name a\n"]
)
def test_what_is_not_whole_is_nothing(content: bytes) -> None:
    assert names.parse(content) is None


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    names.write(bytes(tmp_path / "id"), entry("web"))
    (tmp_path / "link").symlink_to("id")
    assert names.read(bytes(tmp_path / "link")) is None


def test_a_failing_write_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "id").mkdir()
    with pytest.raises(OSError):
        names.write(bytes(tmp_path / "id"), entry("web"))
    assert os.listdir(tmp_path) == ["id"]


def test_entries_are_those_of_now(tmp_path: Path) -> None:
    directory = Directory(bytes(tmp_path))
    assert directory.entries() == []
    for number in range(20):  # faster than the clock of the file system ticks
        names.write(bytes(tmp_path / "id"), entry(f"name{number}"))
        assert [found.names for found in directory.entries()] == [[f"name{number}"]]
    os.unlink(tmp_path / "id")
    assert directory.entries() == []


def test_unchanged_directories_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names.write(bytes(tmp_path / "a"), entry("a"))
    settle(tmp_path)
    directory = Directory(bytes(tmp_path))
    first = directory.entries()
    reads: list[bytes] = []
    read = names.read

    def counted(path: bytes) -> Entry | None:
        reads.append(path)
        return read(path)

    monkeypatch.setattr(names, "read", counted)
    assert directory.entries() == first
    assert reads == []
    names.write(bytes(tmp_path / "b"), entry("b"))
    assert [found.names for found in directory.entries()] == [["a"], ["b"]]
    assert reads == [bytes(tmp_path / "b")]


def test_a_directory_that_is_not_there_has_no_entries(tmp_path: Path) -> None:
    directory = Directory(bytes(tmp_path / "network"))
    assert directory.entries() == []
    (tmp_path / "network").mkdir()
    names.write(bytes(tmp_path / "network" / "id"), entry("web"))
    (tmp_path / "network" / "damaged").write_bytes(b"process")
    (tmp_path / "network" / ".id").write_bytes(entry("half").dump())
    assert [found.names for found in directory.entries()] == [["web"]]


def test_dead_processes_are_told(tmp_path: Path) -> None:
    assert not Entry(PID, START + 1, [], []).is_alive()
    assert not Entry(2**22 + 1, 1, [], []).is_alive()


def test_process_of_reads_the_first_line(tmp_path: Path) -> None:
    path = bytes(tmp_path / "id")
    names.write(path, entry("web"))
    assert names.process_of(path) == (PID, START)
    assert names.process_of(path + b"-none") == (0, 0)
    (tmp_path / "id").write_bytes(b"process x\n")
    assert names.process_of(path) == (0, 0)


def test_a_held_file_is_held_by_one(tmp_path: Path) -> None:
    path = bytes(tmp_path / "mark")
    assert names.is_held(path), "what is not there needs nobody's care"
    (tmp_path / "mark").touch()
    assert not names.is_held(path)
    held = names.hold(path)
    assert names.is_held(path)
    assert names.hold(path) == -1
    os.close(held)
    assert not names.is_held(path)
