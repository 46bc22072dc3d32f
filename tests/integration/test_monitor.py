"""The monitor from start to end: files, log, exit record, errors, signals, the bare interpreter."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pod.containers import attach
from runtime import errors, process
from runtime.monitor.spawn import Container, Stdio, spawn
from tests.fixtures.monitor import (
    FILES,
    LATER,
    Fake,
    alive,
    as_command,
    eventually,
    fake_container,  # noqa: F401
    is_bare,
    packets,
    received,
    rests,
    take,
)


def test_a_container_from_start_to_end(fake: Fake) -> None:
    link = fake.spawn("echo out; echo err >&2; printf piece; exit 3")
    assert fake.monitor_files() == FILES
    assert (fake.directory / "pid").read_text() == f"{link.pid} {link.start_time}\n"
    assert (fake.directory / "monitor").read_text() == f"{link.monitor_pid} {process.start_time(link.monitor_pid)}\n"
    link.start()
    assert link.wait() == 3
    lines = [line[36:] for line in fake.log.read_text().splitlines()]
    assert sorted(lines) == ["stderr F err", "stdout F out", "stdout P piece"]
    record = fake.record()
    assert (record["code"], record["signal"], record["oom"]) == (3, None, False)
    assert abs(record["finished"] - time.time()) < 10
    assert not fake.monitor_files()
    assert not fake.state_dir.exists()
    assert not alive(link.monitor_pid)


def test_death_by_signal_is_128_and_more(fake: Fake) -> None:
    assert fake.run("kill -9 $$").wait() == 137
    assert fake.record()["signal"] == 9


def test_stale_record_does_not_survive_a_new_start(fake: Fake) -> None:
    fake.exit_path.write_text('{"code":77}')
    fake.spawn("exit 0")
    assert not fake.exit_path.exists()


def test_driver_none_makes_no_log(fake: Fake) -> None:
    link = fake.run("echo text", log_driver="none")
    fd = take(link)
    assert received(fd) == b"text\n"
    os.close(fd)
    assert link.wait() == 0
    assert not fake.log.exists()


def test_attach_client_from_before_the_start_gets_everything(fake: Fake) -> None:
    link = fake.run("echo out; echo err >&2")
    fd = take(link)
    assert sorted(packets(fd)) == [(2, b"out\n"), (3, b"err\n")]
    os.close(fd)
    assert link.wait() == 0


def test_without_stdin_the_container_reads_nothing(fake: Fake) -> None:
    link = fake.run("cat; readlink /proc/self/fd/0")
    assert link.wait() == 0
    assert fake.logged() == b"/dev/null\n"


def test_grandchild_that_keeps_stdout_does_not_keep_the_container(fake: Fake) -> None:
    link = fake.run("sleep 600 & echo $!; exit 4")
    assert link.wait() == 4
    assert alive(int(fake.logged()))
    os.kill(int(fake.logged()), signal.SIGKILL)


def test_orphans_are_buried(fake: Fake) -> None:
    link = fake.run("for i in 1 2 3; do (sleep 0.$i & ); done; sleep 30")

    def children() -> list[bytes]:
        pids = Path(f"/proc/{link.monitor_pid}/task/{link.monitor_pid}/children").read_text().split()
        found = []
        for pid in pids:
            with contextlib.suppress(OSError):  # one that is buried now
                found.append(Path(f"/proc/{pid}/stat").read_bytes().split(b")")[1][1:2])
        return found

    time.sleep(LATER)
    eventually(lambda: children() == [b"S"])


def open_in(pid: int) -> list[str]:
    """Return what a process has open, but for what it closes meanwhile."""
    found = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return found


def test_open_database_of_the_command_is_not_kept(fake: Fake) -> None:
    database = sqlite3.connect(fake.directory / "pod.db")
    database.execute("create table t (x)")
    read_end, write_end = os.pipe()
    link = fake.run("sleep 30")
    for _ in range(2):
        open_files = open_in(link.monitor_pid)
        assert not [name for name in open_files if "pod.db" in name]
        assert os.readlink(f"/proc/self/fd/{read_end}") not in open_files
        assert [os.readlink(f"/proc/{link.monitor_pid}/fd/{fd}") for fd in range(3)] == ["/dev/null"] * 3
        time.sleep(LATER)
    database.execute("insert into t values (1)")
    database.close()
    for fd in (read_end, write_end):
        os.close(fd)


def test_fds_that_the_creation_needs_are_kept(fake: Fake) -> None:
    wanted = os.open("/etc/hostname", os.O_RDONLY)
    inner = fake.create("exit 0")

    def create(stdio: Stdio) -> Container:
        os.fstat(wanted)
        return inner(stdio)

    link = spawn(fake.config(keep_fds=(wanted,)), create)
    fake.links.append(link)
    link.start()
    assert link.wait() == 0
    os.close(wanted)


def test_command_with_closed_standard_streams(fake: Fake) -> None:
    def command() -> None:
        os.closerange(0, 3)
        link = fake.run("echo text")
        os._exit(10 + link.wait())

    pid = as_command(command)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 10
    assert fake.logged() == b"text\n"


def test_very_long_directory(fake: Fake) -> None:
    deep = fake.directory / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    other = Fake(deep)
    link = other.run("read line; echo got $line", stdin=True)
    client = attach.connect(str(deep))
    os.write(client, b"word\n")
    assert received(client) == b"got word\n"
    os.close(client)
    assert link.wait() == 0


def children() -> set[str]:
    """Return the pids of this process's children, those not reaped included; fixtures have some of their own."""
    return set(Path("/proc/thread-self/children").read_text().split())


@pytest.mark.parametrize(
    ("error", "kind", "message", "hint"),
    [
        (errors.CommandNotFoundError("no `x`", hint="install it"), errors.CommandNotFoundError, "no `x`", "install it"),
        (FileNotFoundError(2, "No such file", "/x"), errors.OCIRuntimeError, "`/x`: no such file", ""),
        (ValueError("odd"), errors.OCIRuntimeError, "odd", ""),
        (type("Special", (errors.SpecError,), {})("bad"), errors.SpecError, "bad", ""),
        (SystemExit(3), errors.OCIRuntimeError, "3", ""),
    ],
)
def test_errors_of_the_creation_arrive(
    fake: Fake, error: BaseException, kind: type[Exception], message: str, hint: str
) -> None:
    def create(stdio: Stdio) -> Container:
        raise error

    before = children()
    with pytest.raises(errors.OCIRuntimeError) as caught:
        spawn(fake.config(), create)
    assert (type(caught.value), str(caught.value), caught.value.hint) == (kind, message, hint)
    assert not fake.monitor_files()
    assert not fake.exit_path.exists()
    assert children() <= before


def test_error_of_the_start_arrives_and_leaves_nothing(fake: Fake) -> None:
    inner = fake.create("exit 0")

    def create(stdio: Stdio) -> Container:
        container = inner(stdio)

        def start() -> None:
            raise errors.NotExecutableError("cannot run it")

        container.start = start
        return container

    link = spawn(fake.config(), create)
    pid = link.pid
    with pytest.raises(errors.NotExecutableError, match="cannot run it"):
        link.start()
    assert not alive(pid)
    assert not fake.monitor_files()
    assert not fake.state_dir.exists()
    assert not fake.exit_path.exists()


def test_second_monitor_is_refused(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.monitor.child._LOCK_PATIENCE", 0.1)
    fake.run("sleep 30")
    with pytest.raises(errors.OCIRuntimeError, match="another monitor"):
        spawn(fake.config(), fake.create("exit 0"))
    assert fake.monitor_files() == FILES


def test_unwritable_directory_is_one_clear_error(fake: Fake) -> None:
    fake.directory = fake.directory / "none"
    with pytest.raises(errors.OCIRuntimeError, match="no such file or directory"):
        fake.spawn("exit 0")


@pytest.mark.parametrize("delay", [0.1, LATER])
def test_monitor_forwards_term_and_ignores_the_rest(fake: Fake, delay: float) -> None:
    link = fake.run("trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done")
    eventually(lambda: b"ready" in fake.log.read_bytes())
    time.sleep(delay)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1):
        os.kill(link.monitor_pid, number)
    time.sleep(0.1)
    assert alive(link.monitor_pid)
    os.kill(link.monitor_pid, signal.SIGTERM)
    assert link.wait() == 9


def test_container_starts_with_default_signals_whatever_the_command_ignores(fake: Fake) -> None:
    def command() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        fake.run("grep -E 'SigBlk|SigIgn' /proc/self/status").wait()
        os._exit(0)

    os.waitpid(as_command(command), 0)
    ignored = {line.split()[1]: int(line.split()[2], 16) for line in _status_lines(fake)}
    assert ignored["SigBlk:"] == 0
    # Only SIGPIPE, which Python ignores; the runtime sets it back just before the program.
    assert ignored["SigIgn:"] & ~(1 << signal.SIGPIPE - 1) == 0


def _status_lines(fake: Fake) -> list[str]:
    return ["x " + line for line in fake.logged().decode().splitlines()]


def test_monitor_moves_into_a_bare_interpreter_and_nothing_is_lost(fake: Fake) -> None:
    link = fake.run("i=0; while [ $i -lt 100 ]; do echo line $i; i=$((i+1)); sleep 0.02; done; cat; exit 6", stdin=True)
    fd = take(link)
    client = attach.connect(str(fake.directory))
    collected: list[bytes] = []
    reader = threading.Thread(target=lambda: collected.append(received(client)))
    reader.start()
    eventually(lambda: is_bare(link.monitor_pid))  # at first it was a fork of the tests
    eventually(lambda: Path(f"/proc/{link.monitor_pid}/comm").read_text() == "pod-monitor\n")
    assert b"f" * 64 in Path(f"/proc/{link.monitor_pid}/cmdline").read_bytes()
    os.write(fd, b"input\n")
    with socket.socket(fileno=os.dup(fd)) as end:
        end.shutdown(socket.SHUT_WR)
    expected = b"".join(b"line %d\n" % i for i in range(100)) + b"input\n"
    assert received(fd) == expected
    os.close(fd)
    assert link.wait() == 6
    reader.join()
    os.close(client)
    assert expected.endswith(collected[0])
    assert fake.logged() == expected


def test_container_may_end_while_the_monitor_moves(fake: Fake) -> None:
    places = []
    for number in range(16):
        place = fake.beside(number)
        link = place.run(f"sleep {0.94 + number * 0.01:.2f}; echo end; exit {number}")
        places.append((place, link))
    for number, (place, link) in enumerate(places):
        assert link.wait() == number
        assert place.logged() == b"end\n"
        assert place.record()["code"] == number


def test_idle_monitor_uses_no_processor_time(fake: Fake) -> None:
    link = fake.run("sleep 30")
    eventually(lambda: is_bare(link.monitor_pid) and rests(link.monitor_pid))

    def switches() -> str:
        text = Path(f"/proc/{link.monitor_pid}/status").read_text()
        return next(line for line in text.splitlines() if line.startswith("voluntary_ctxt_switches"))

    before = switches()
    time.sleep(1.5)
    assert switches() == before


def test_idle_monitors_are_small(fake: Fake) -> None:
    """The aim is 3 MB as the mean of 50 (contrib/bench/monitor.py); fewer share less."""
    links = [fake.beside(number).run("exec sleep 30") for number in range(8)]
    eventually(lambda: all(is_bare(link.monitor_pid) and rests(link.monitor_pid) for link in links))
    sizes = []
    for link in links:
        rollup = Path(f"/proc/{link.monitor_pid}/smaps_rollup").read_text()
        sizes.append(next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")))
    assert sum(sizes) / len(sizes) < 3600


def test_log_can_be_moved_away(fake: Fake) -> None:
    link = fake.run("echo one; read go; echo two", stdin=True)
    eventually(lambda: b"one" in fake.log.read_bytes())
    os.rename(fake.log, fake.directory / "old.log")
    with open(fake.directory / "ctl", "w") as control:
        control.write("nonsense\n9 9 9\n2 0 0\n")
    eventually(fake.log.exists)
    os.write(link.attach_fd, b"\n")
    assert link.wait() == 0
    assert fake.logged() == b"two\n"


@pytest.mark.parametrize("log", ["/dev/full", ""])
def test_full_disk_does_not_stop_the_container(fake: Fake, log: str) -> None:
    if log:
        fake.log.symlink_to(log)
        with pytest.raises(errors.OCIRuntimeError, match="too many levels of symbolic links"):
            fake.spawn("exit 0")
        fake.log.unlink()
    link = fake.run("echo text")
    assert link.wait() == 0


@pytest.fixture
def cgroup(request: pytest.FixtureRequest) -> Iterator[str]:
    path = Path(f"/sys/fs/cgroup/{request.param}/pod-test-monitor-{os.getpid()}")
    if not path.parent.is_dir():
        pytest.skip(f"no cgroup v1 controller {request.param}")
    path.mkdir()
    yield str(path)
    if path.exists():
        path.rmdir()


@pytest.mark.root
@pytest.mark.parametrize("cgroup", ["pids"], indirect=True)
def test_cgroups_go_with_everything_in_them(fake: Fake, cgroup: str) -> None:
    link = fake.run("setsid sleep 30 >/dev/null 2>&1 & echo $!", cgroups=[cgroup])
    assert link.wait() == 0
    assert not os.path.exists(cgroup)
    assert not alive(int(fake.logged()))


@pytest.mark.root
@pytest.mark.parametrize("cgroup", ["memory"], indirect=True)
def test_oom_kill_is_recorded(fake: Fake, cgroup: str) -> None:
    Path(cgroup, "memory.limit_in_bytes").write_text(str(20 << 20))
    code = "x = bytearray(100 << 20); import os; print(len(os.urandom(10)))"
    link = fake.run(f"exec {sys.executable} -IS -c '{code}'", cgroups=[cgroup])
    assert link.wait() == 137
    assert fake.record()["oom"] is True
