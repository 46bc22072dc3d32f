"""`pod container checkpoint` and `restore` with Debian's CRIU: what ran goes on, in a container like any other."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.system.machine import Machine
from tests.system.project import IMAGE

_COUNT = "i=0; while [ $i -lt {} ]; do i=$((i+1)); echo $i; sleep 0.1; done; exit 7"


class Root:
    """`pod` of root in the machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def __call__(self, line: str, *, check: bool = True) -> str:
        """Run `pod LINE` and return what it printed."""
        done = self.machine.run("root", "pod", *line.split(), check=check, timeout=120)
        return (done.stdout + ("" if check else done.stderr)).strip()

    def count(self, name: str = "c") -> int:
        """Return the last number that the container has written."""
        return int((self(f"logs --tail 1 {name}") or "0").splitlines()[-1])  # one may come while it is read

    def await_count(self, above: int, name: str = "c") -> int:
        """Wait until it has written a greater one."""
        deadline = time.monotonic() + 120
        while (now := self.count(name)) <= above:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        return now

    def state(self, name: str = "c") -> dict[str, object]:
        """Return what inspect says of the state."""
        found: dict[str, object] = json.loads(self(f"inspect {name}"))[0]["State"]
        return found


@pytest.fixture
def pod(machine: Machine) -> Iterator[Root]:
    made = Root(machine)
    machine.run("root", "pod", "run", "--detach", "--name", "c", IMAGE, "sh", "-c", _COUNT.format(100_000))
    made.await_count(3)
    yield made
    made("rm --all --force --time 0")


def test_goes_on_with_its_log_and_exit_code(pod: Root) -> None:
    pod.machine.run("root", "pod", "run", "--detach", "--name", "e", IMAGE, "sh", "-c", _COUNT.format(150))
    pod.await_count(3, "e")
    assert pod("container checkpoint e") == "e"
    saved, state = pod.count("e"), pod.state("e")
    assert (state["Status"], state["Checkpointed"]) == ("exited", True)
    assert pod("exec e true", check=False).startswith("Error: ")
    assert pod("container restore e") == "e"
    # The number after the last one, not 1: its memory is what it was.
    assert saved < pod.await_count(saved, "e") <= saved + 50
    state = pod.state("e")
    assert (state["Status"], state["Restored"]) == ("running", True)
    assert pod("exec e echo here") == "here"
    assert pod("wait e") == "7"
    assert pod.state("e")["ExitCode"] == 7
    lines = [int(line) for line in pod("logs e").splitlines()]
    assert lines == list(range(1, 151))
    # Used up, and no more to be had after an ordinary start.
    assert "cannot be found" in pod("container restore e", check=False)


def test_containers_on_networks_are_left_alone(pod: Root) -> None:
    pod.machine.run("root", "pod", "run", "--detach", "--network", "podman", "--name", "n", IMAGE, "sleep", "100")
    refused = pod("container checkpoint n", check=False)
    assert refused.startswith("Error: checkpointing a container that is connected to networks is not supported\nhint: ")
    assert pod.state("n")["Status"] == "running"


def test_keep_and_leave_running(pod: Root) -> None:
    assert pod("container checkpoint --leave-running --keep --latest")
    assert pod.state()["Status"] == "running"
    pod.await_count(pod.count())
    directory = f"/var/lib/pod/containers/{pod('ps -q --no-trunc')}"
    names = pod.machine.run("root", "ls", directory).stdout.split()
    assert {"checkpoint", "dump.log", "stats-dump"} <= set(names)
    pod("container checkpoint -R -k c")
    pod("kill c")
    pod("wait c")
    assert pod("container restore --keep c") == "c"
    pod("kill c")
    pod("wait c")
    names = pod.machine.run("root", "ls", directory).stdout.split()
    assert {"checkpoint", "restore.log", "stats-restore"} <= set(names)


@pytest.mark.slow
def test_all_with_statistics_and_previous_memory(pod: Root) -> None:
    assert pod("container checkpoint --pre-checkpoint c") == "c"
    pod.await_count(pod.count())
    told = json.loads(pod("container checkpoint --all --with-previous --print-stats --tcp-established --file-locks"))
    (one,) = told["container_statistics"]
    assert one["criu_statistics"]["pages_written"] < one["criu_statistics"]["pages_scanned"]
    assert one["runtime_checkpoint_duration"] <= told["podman_checkpoint_duration"]
    saved = pod.count()
    told = json.loads(pod("container restore --all --print-stats --tcp-established --file-locks"))
    assert told["container_statistics"][0]["criu_statistics"]["pages_restored"]
    pod.await_count(saved)


@pytest.mark.slow
def test_a_terminal_and_a_restart_policy(pod: Root) -> None:
    command = "i=0; while [ $i -lt 30 ]; do i=$((i+1)); echo $i; sleep 0.1; done; exit 7"
    pod.machine.run("root", "pod", "run", "-dt", "--restart", "on-failure:1", "--name", "t", IMAGE, "sh", "-c", command)
    pod.await_count(2, "t")
    pod("container checkpoint t")
    assert pod.state("t")["Status"] == "exited"
    saved = pod.count("t")
    pod("container restore t")
    pod.await_count(saved, "t")
    assert pod("wait t") == "7"
    assert json.loads(pod("inspect t"))[0]["RestartCount"] == 1


def test_an_archive_becomes_containers(pod: Root) -> None:
    machine = pod.machine
    pod("rm --force --time 0 c")
    count = "echo mine >/own; rm /etc/group; echo v >/v/file; i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done"
    machine.run("root", "pod", "run", "-d", "--rm", "-v", "data:/v", "--name", "c", IMAGE, "sh", "-c", count)
    pod.await_count(3)
    saved = "/var/tmp/saved.tar.zst"
    pod(f"container checkpoint --export {saved} c")
    deadline = time.monotonic() + 120
    while pod("ps -aq"):
        assert time.monotonic() < deadline
    assert "already exists" in pod(f"container restore --import {saved}", check=False)
    pod("volume rm data")
    identity = pod(f"container restore --import {saved}")
    assert pod("exec c cat /own /v/file").split() == ["mine", "v"]
    assert pod("exec c cat /etc/group", check=False).startswith("cat: ")
    assert pod("ps --no-trunc -q") == identity
    assert pod.await_count(3) > 3
    assert "already exists" in pod(f"container restore -i {saved} --ignore-volumes", check=False)
    other = pod(f"container restore -i {saved} --ignore-volumes -n another")
    assert other != identity
    assert pod("exec another cat /own") == "mine"
    pod.await_count(3, "another")
    pod("rm --all --force --time 0")
    pod("volume rm --all")


@pytest.mark.slow
def test_an_image_and_the_kinds_of_archives(pod: Root) -> None:
    pod("container checkpoint --create-image saved:1 --leave-running c")
    annotations = json.loads(pod("inspect saved:1"))[0]["Annotations"]
    assert annotations["io.podman.annotations.checkpoint.name"] == "c"
    first, second = pod("container restore --name one saved:1"), pod("container restore --name two saved:1")
    pod.await_count(3, "one")
    assert first != second
    pod("rm --force --time 0 one two")
    pod("container checkpoint --leave-running --export /var/tmp/plain.tar --compress none --ignore-rootfs c")
    pod("container checkpoint -R -e /var/tmp/plain.tar.gz -c gzip --ignore-volumes c")
    pod("container checkpoint -P -e /var/tmp/before.tar.gz c")
    pod.await_count(pod.count())
    pod("container checkpoint --with-previous -e /var/tmp/after.tar.gz c")
    kinds = pod.machine.shell("root", "cd /var/tmp; tar tf plain.tar; tar tzf plain.tar.gz").stdout.split()
    assert kinds.count("checkpoint/inventory.img") == 2
    assert kinds.count("rootfs-diff.tar") == 1
    pod("rm c")
    pod("container restore --import-previous /var/tmp/before.tar.gz --import /var/tmp/after.tar.gz --print-stats")
    pod.await_count(3)
    pod("rmi saved:1")
