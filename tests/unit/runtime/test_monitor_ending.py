import json
import os
import posix
import select
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from runtime.monitor import ending
from runtime.monitor.ending import exit_code, remove_container, write_record
from runtime.monitor.oom import oom_killed


def test_exit_code_of_a_signal() -> None:
    assert exit_code(3 << 8) == (3, None)
    assert exit_code(9) == (137, 9)


def test_record_is_json_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "exit"
    write_record(os.fsencode(path), 137, 9, oom=True)
    record = json.loads(path.read_text())
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert record == {"code": 137, "signal": 9, "oom": True, "finished": record["finished"], "boot": boot}
    assert os.listdir(tmp_path) == ["exit"]


def test_record_in_a_vanished_directory_is_no_error(tmp_path: Path) -> None:
    write_record(os.fsencode(tmp_path / "gone" / "exit"), 0, None, oom=False)


@pytest.mark.parametrize(
    ("name", "content", "killed"),
    [
        ("memory.events", "low 0\nhigh 0\nmax 7\noom 1\noom_kill 1\n", True),
        ("memory.events", "low 0\nmax 7\noom 0\noom_kill 0\n", False),
        ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", True),
        ("memory.oom_control", "oom_kill_disable 0\nunder_oom 1\noom_kill 0\n", False),
        ("memory.current", "1", False),
    ],
)
def test_oom_is_read_from_both_versions(tmp_path: Path, name: str, content: str, killed: bool) -> None:
    (tmp_path / name).write_text(content)
    assert oom_killed([b"/nonexistent", os.fsencode(tmp_path)]) is killed


def test_state_directory_goes_with_its_files(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "state.json").write_text("{}")
    os.mkfifo(state / "exec.fifo")
    remove_container([], os.fsencode(state))
    assert not state.exists()


def test_state_directory_with_something_unknown_stays(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    remove_container([], os.fsencode(tmp_path))
    assert (tmp_path / "directory").exists()


def test_lean_modules_import_nothing_heavy() -> None:
    code = (
        "import sys; sys.path.insert(0, '.'); before = set(sys.modules);"
        "import runtime.monitor.loop, runtime.monitor.ending, runtime.monitor.reexec;"
        "print(*sorted(set(sys.modules) - before))"
    )
    root = Path(__file__).parents[3]
    loaded = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], cwd=root, capture_output=True, text=True, check=True
    ).stdout.split()
    ours = {name for name in loaded if name.startswith("runtime")}
    assert set(loaded) - ours <= {"__future__", "select", "signal", "_signal", "marshal", "posix", "time"}
    assert "runtime.syscalls" not in ours


def test_state_stays_while_a_cgroup_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the state a later command finds the cgroup."""
    monkeypatch.setattr(ending, "_PATIENCE", 0.0)
    state, cgroup = tmp_path / "state", tmp_path / "cgroup"
    state.mkdir()
    (cgroup / "busy").mkdir(parents=True)
    remove_container([os.fsencode(cgroup)], os.fsencode(state))
    assert state.exists()
    (cgroup / "busy").rmdir()
    remove_container([os.fsencode(cgroup)], os.fsencode(state))
    assert not state.exists()
    assert not cgroup.exists()


def test_the_cgroup_of_a_unit_is_left_to_systemd_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "_SYSTEMD_PATIENCE", 0.2)
    unit, other = tmp_path / "pod-abc.scope", tmp_path / "pod-abc"
    for directory in (unit, other):
        directory.mkdir()
        (directory / "cgroup.events").write_text("populated 0\n")
    removed: list[bytes] = []

    def rmdir(directory: bytes) -> None:
        # As in cgroupfs, the files go with their directory.
        removed.append(directory)
        os.unlink(directory + b"/cgroup.events")
        os.rmdir(directory)

    monkeypatch.setattr(posix, "rmdir", rmdir)
    start = time.monotonic()
    remove_container([os.fsencode(unit), os.fsencode(other)], b"")
    assert removed == [os.fsencode(other), os.fsencode(unit)]
    assert time.monotonic() - start >= 0.2


def test_cgroups_that_the_container_made_go_with_its_own(tmp_path: Path) -> None:
    process = subprocess.Popen(["sleep", "100"])
    inner = tmp_path / "cgroup" / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "cgroup.procs").write_text(f"{process.pid}\n")

    # Not by wait(): the code under test reaps every child, and may be first.
    ended = select.poll()
    descriptor = os.pidfd_open(process.pid)
    ended.register(descriptor, select.POLLIN)

    def leave() -> None:
        # The kernel empties the file when the process ends, and rmdir takes it along.
        assert ended.poll(20_000)
        os.unlink(inner / "cgroup.procs")

    waiter = threading.Thread(target=leave)
    waiter.start()
    remove_container([os.fsencode(tmp_path / "cgroup")], b"")
    waiter.join()
    os.close(descriptor)
    process.wait()
    assert not os.listdir(tmp_path)
