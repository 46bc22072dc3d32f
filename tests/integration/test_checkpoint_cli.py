"""`container checkpoint` and `container restore` as typed: what is refused, and what CRIU cannot do on this machine.

The round trips are in tests/system/test_checkpoint_containers.py, on a machine where CRIU works.
"""

from __future__ import annotations

import os
import signal

import pytest

from tests.fixtures.command import Pod, Result
from tests.fixtures.monitor import eventually


def refused(pod: Pod, line: str) -> str:
    done: Result = pod.run(*line.split(), check=False)
    assert done.code == 125, (line, done)
    assert done.stdout == ""
    return done.stderr.splitlines()[0].removeprefix("Error: ")


def test_an_ordinary_user_is_refused(box: Pod, busybox: str) -> None:
    if not box.rootless:
        pytest.skip("root may")
    box.run("create", "--name", "c", busybox, "true")
    assert refused(box, "container checkpoint c") == "checkpointing a container requires root"
    assert refused(box, "container restore c") == "restoring a container requires root"


def test_which_containers(box: Pod, busybox: str) -> None:
    box.run("create", "--name", "c", busybox, "true")
    missing = "you must provide at least one name or id"
    assert refused(box, "container checkpoint") == refused(box, "container restore") == missing
    assert refused(box, "container checkpoint --all c") == "no arguments are needed with --all"
    assert refused(box, "container restore --latest c") == "--latest and containers cannot be used together"
    assert refused(box, "container restore --all --latest") == "--all and --latest cannot be used together"


def test_states_and_flags_that_do_not_fit(box: Pod, busybox: str) -> None:
    if box.rootless:
        pytest.skip("refused as a whole")
    box.run("create", "--name", "c", busybox, "true")
    assert refused(box, "container checkpoint none").startswith('no container with name or ID "none" found')
    improper = "container state improper"
    assert refused(box, "container checkpoint c") == f'"created" is not running, cannot checkpoint: {improper}'
    gone = f"a complete checkpoint for this container cannot be found, cannot restore: {improper}"
    assert refused(box, "container restore c") == gone
    assert refused(box, "container restore --ignore-static-ip --ignore-static-mac c") == gone
    assert (
        refused(box, "container checkpoint --with-previous --pre-checkpoint c")
        == "--with-previous can not be used with --pre-checkpoint"
    )
    identity = box.run("run", "--detach", "--rm", "--name", "r", busybox, "sleep", "600").out
    assert refused(box, "container checkpoint r").startswith("cannot checkpoint containers that have been started with")
    running = f"container {identity} is running or paused, cannot restore: {improper}"
    assert refused(box, "container restore r") == running
    box.run("pause", "r")
    assert refused(box, "container checkpoint r") == f'"paused" is not running, cannot checkpoint: {improper}'
    assert box.run("container", "checkpoint", "--all").out == box.run("container", "restore", "--all").out == ""
    box.run("rm", "-f", "-t", "0", "r")
    box.run("run", "--detach", "--name", "p", busybox, "sleep", "600")
    without = refused(box, "container checkpoint --with-previous p")
    assert without.endswith("has no previous checkpoint"), without
    box.run("stop", "--time", "0", "p")


def test_a_checkpoint_that_fails_changes_nothing(box: Pod, busybox: str) -> None:
    """A criu that is none, or that cannot do it here: one line, and the container runs on as it did."""
    if box.rootless:
        pytest.skip("refused as a whole")
    box.run("run", "--detach", "--name", "c", "--restart", "always", busybox, "sleep", "600")
    programs = os.path.join(box.directory, "programs")
    os.mkdir(programs)
    with open(f"{programs}/criu", "w", encoding="ascii") as file:
        file.write("#!/bin/false\n")
    os.chmod(f"{programs}/criu", 0o755)
    before = sorted(os.listdir(f"{box.root}/containers/{box.run('ps', '-q', '--no-trunc').out}"))
    failed = box.run("container", "checkpoint", "c", check=False, env={**box.environment, "PATH": programs})
    assert failed.code == 125
    assert failed.stderr.startswith("Error: criu could not checkpoint the container: it ended without an answer")
    failed = box.run("container", "checkpoint", "c", check=False, env={**box.environment, "PATH": "/nowhere"})
    assert failed.stderr.startswith("Error: to checkpoint and restore needs criu")
    assert box.run("inspect", "--format", "{{.State.Status}} {{.State.CheckpointedAt}}", "c").out.startswith(
        "running 0"
    )
    assert sorted(os.listdir(f"{box.root}/containers/{box.run('ps', '-q', '--no-trunc').out}")) == before
    # It is not taken for one that was stopped: its policy still holds.
    os.kill(int(box.run("inspect", "--format", "{{.State.Pid}}", "c").out), signal.SIGKILL)
    eventually(lambda: box.run("inspect", "--format", "{{.RestartCount}} {{.State.Status}}", "c").out == "1 running")
    box.run("kill", "c")


def test_archives_that_do_not_fit(box: Pod, busybox: str) -> None:
    box.run("create", "--name", "c", busybox, "true")
    assert refused(box, "container checkpoint --compress none c") == "--compress can only be used with --export"
    wrong = refused(box, "container checkpoint -c best -e x.tar c")
    assert wrong.endswith('("best") not supported. Please select one from: gzip, none, zstd')
    assert refused(box, "container restore --import x --all") == "cannot use --import with --all or --latest"
    assert refused(box, "container restore -i x c") == "cannot use --import with positional arguments"
    if box.rootless:
        return
    assert refused(box, "container checkpoint --ignore-rootfs c") == "--ignore-rootfs can only be used with --export"
    assert refused(box, "container checkpoint --ignore-volumes c") == "--ignore-volumes can only be used with --export"
    only = "can only be used with image or --import"
    assert refused(box, "container restore --ignore-rootfs c") == f"--ignore-rootfs {only}"
    assert refused(box, "container restore --ignore-volumes c") == f"--ignore-volumes {only}"
    assert refused(box, "container restore --import-previous x c") == f"--import-previous {only}"
    assert refused(box, "container restore --name new c") == f"--name {only}"
    both = "--tcp-established cannot be used with --name"
    assert refused(box, "container restore -i x -n new --tcp-established") == both
    missing = "failed to open checkpoint archive /none for import: no such file or directory"
    assert refused(box, "container restore --import /none") == missing
    path = os.path.join(box.home, "archive")
    for content in (b"", b"no archive", bytes(10240)):
        with open(path, "wb") as file:
            file.write(content)
        assert "is not a checkpoint archive" in refused(box, f"container restore --import {path}")
    assert box.run("ps", "--all", "--format", "{{.Names}}").out == "c"
    assert os.listdir(f"{box.root}/staging") == []
