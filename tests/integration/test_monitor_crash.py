"""kill -9 of the command and of the monitor: nothing hangs, nothing is left that should not be."""

from __future__ import annotations

import fcntl
import json
import os
import random
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest

from pod.containers import attach
from runtime import errors
from tests.fixtures.command import Pod
from tests.fixtures.monitor import (
    LATER,
    Fake,
    alive,
    as_command,
    eventually,
    fake_container,  # noqa: F401
    has_settled,
    kill_command,
    packets,
    take,
)


def test_command_killed_before_the_start_leaves_nothing(fake: Fake, tmp_path: Path) -> None:
    on_exit = ["/bin/sh", "-c", f"echo done > {tmp_path}/cleaned"]
    command = as_command(lambda: fake.spawn("echo ran", on_exit=on_exit))
    eventually(lambda: (fake.directory / "pid").exists())
    pid = int((fake.directory / "pid").read_text().split()[0])
    kill_command(command)
    eventually(lambda: (tmp_path / "cleaned").exists())
    assert not alive(pid)
    assert not fake.monitor_files()
    assert not fake.state_dir.exists()
    assert not fake.exit_path.exists()
    assert fake.log.read_bytes() == b""


def test_command_killed_after_the_start_changes_nothing(fake: Fake, tmp_path: Path) -> None:
    on_exit = [
        "/bin/sh",
        "-c",
        f"cat {fake.exit_path} > {tmp_path}/cleaned.tmp; mv {tmp_path}/cleaned.tmp {tmp_path}/ok",
    ]
    command = as_command(lambda: fake.run("sleep 1.5; echo late; exit 7", on_exit=on_exit))
    eventually(fake.has_become_its_program)
    kill_command(command)
    eventually(lambda: (tmp_path / "ok").exists())
    assert json.loads((tmp_path / "ok").read_text())["code"] == 7
    assert fake.logged() == b"late\n"
    assert not fake.monitor_files()


def test_cleanup_is_left_to_a_command_that_listens(fake: Fake, tmp_path: Path) -> None:
    link = fake.run("exit 0", on_exit=["/bin/touch", f"{tmp_path}/cleaned"])
    assert link.wait() == 0
    time.sleep(0.1)
    assert not (tmp_path / "cleaned").exists()


def test_command_killed_at_random_moments(fake: Fake) -> None:
    """Whenever it happens: the container either never ran and left nothing, or it ran to its end."""
    rand = random.Random(2)
    for number in range(40):
        place = fake.beside(number)
        done = place.directory / "done"
        command = as_command(
            lambda place=place, done=done: place.run("echo text; exit 5", on_exit=["/bin/touch", str(done)])  # type: ignore[misc]
        )
        time.sleep(rand.random() * 0.04)
        kill_command(command)
        eventually(lambda place=place, done=done: done.exists() or not _locked(place))  # type: ignore[misc]
        eventually(lambda place=place: not place.monitor_files())  # type: ignore[misc]
        if place.exit_path.exists():
            assert (place.record()["code"], place.logged()) == (5, b"text\n")
        assert not place.state_dir.exists()


def _locked(place: Fake) -> bool:
    try:
        fd = os.open(place.directory / "lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


@pytest.mark.parametrize("delay", [0.1, LATER])
def test_monitor_killed(fake: Fake, delay: float) -> None:
    link = fake.run("sleep 600")
    fd = take(link)
    client = attach.connect(str(fake.directory))
    time.sleep(delay)
    os.kill(link.monitor_pid, signal.SIGKILL)
    assert list(packets(fd)) == list(packets(client)) == []
    with pytest.raises(errors.OCIRuntimeError, match="without telling an exit code"):
        link.wait()
    assert alive(link.pid)
    for each in (fd, client):
        os.close(each)


def test_monitor_killed_before_the_start(fake: Fake) -> None:
    link = fake.spawn("sleep 30")
    os.kill(link.monitor_pid, signal.SIGKILL)
    with pytest.raises(errors.OCIRuntimeError, match="was killed"):
        link.start()


@pytest.mark.parametrize("line", ["rm --force --time 0", "start", "stop --time 0"])
def test_a_wiped_runroot_leaves_no_container_that_nobody_can_end(box: Pod, busybox: str, line: str) -> None:
    """As when a user's /run/user/UID is gone with the session, or files in /tmp are cleaned by age."""
    box.run("run", "--detach", "--restart", "always", "--name", "lost", busybox, "sleep", "1234")
    pid = int(box.run("inspect", "--format", "{{.State.Pid}}", "lost").stdout)
    descriptor = os.pidfd_open(pid)
    monitor = int(box.run("inspect", "--format", "{{.State.ConmonPid}}", "lost").stdout)
    eventually(lambda: has_settled(monitor))
    directory = os.path.join(box.runroot, "containers")
    subprocess.run(["find", directory, os.path.join(box.runroot, "runtime"), "-mindepth", "1", "-delete"], check=False)
    assert box.run("ps", "--format", "{{.Names}} {{.State}} {{.Pid}}").stdout == f"lost running {pid}\n"
    assert box.run("inspect", "--format", "{{.State.Running}} {{.State.Pid}}", "lost").stdout == f"true {pid}\n"
    box.run("container", "prune", "--force")
    assert "as it is running" in box.run("rm", "lost", check=False).stderr
    assert "`pod stop` ends what still runs of it" in box.run("kill", "lost", check=False).stderr
    assert not select.select([descriptor], [], [], 0)[0]
    box.run(*line.split(), "lost")
    assert select.select([descriptor], [], [], 60)[0], "the first process lives on"
    os.close(descriptor)
    if line == "start":
        assert box.run("exec", "lost", "echo", "back").stdout == "back\n"
        box.run("rm", "--force", "--time", "0", "lost")


def test_a_passing_container_outlives_its_records(box: Pod, busybox: str) -> None:
    """What was run with --rm goes when it has ended, not when nothing tells of it."""
    box.run("run", "--detach", "--rm", "--name", "passing", busybox, "sleep", "1234")
    descriptor = os.pidfd_open(int(box.run("inspect", "--format", "{{.State.Pid}}", "passing").stdout))
    monitor = int(box.run("inspect", "--format", "{{.State.ConmonPid}}", "passing").stdout)
    eventually(lambda: has_settled(monitor))
    directory = os.path.join(box.runroot, "containers")
    subprocess.run(["find", directory, os.path.join(box.runroot, "runtime"), "-mindepth", "1", "-delete"], check=False)
    box.run("rm", box.run("create", busybox, "true").out)  # which sweep
    assert box.run("ps", "--format", "{{.Names}} {{.State}}").stdout == "passing running\n"
    assert not select.select([descriptor], [], [], 0)[0]
    os.close(descriptor)
    box.run("rm", "--force", "--time", "0", "passing")
