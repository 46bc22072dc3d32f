"""`pause` and `unpause`: all of a container stands still, and what other commands make of that."""

from __future__ import annotations

import json
import os
import subprocess
import time

import pytest

from tests.fixtures.command import Pod
from tests.fixtures.monitor import eventually

V1 = not os.path.exists("/sys/fs/cgroup/cgroup.controllers")
as_root = pytest.mark.parametrize("mode", ["root"], indirect=True)
TICK = "while :; do echo tick; sleep 0.02; done"


def state(box: Pod, name: str = "c") -> dict[str, object]:
    found: dict[str, object] = json.loads(box.run("inspect", name).out)[0]["State"]
    return found


def goes_on(box: Pod, seconds: float) -> bool:
    before = box.run("logs", "c").stdout
    time.sleep(seconds)
    return box.run("logs", "c").stdout != before


def test_a_paused_container_stands_still(box: Pod, busybox: str) -> None:
    box.run("run", "-d", "--name", "c", busybox, "sh", "-c", TICK)
    if box.rootless and V1:
        done = box.run("pause", "c", check=False)
        assert (done.code, done.stderr.splitlines()[0]) == (
            125,
            "Error: pause is not supported for cgroupv1 rootless containers",
        )
        done = box.run("unpause", "--all", check=False)
        assert "Error: unpause is not supported for cgroupv1 rootless containers" in done.stderr
        return
    assert box.run("pause", "c").out == "c"
    assert (state(box)["Status"], state(box)["Paused"], state(box)["Running"]) == ("paused", True, False)
    assert box.run("ps", "-a", "--format", "{{.State}} {{.Status}}").out == "paused Paused"
    assert box.run("ps", "-aq", "--filter", "status=paused").out != ""
    assert box.run("info", "--format", "{{.Store.ContainerStore.Paused}}").out == "1"
    eventually(lambda: not goes_on(box, 0.3))  # the monitor may still have had something of it
    assert box.run("unpause", "c").out == "c"
    assert state(box)["Status"] == "running"
    eventually(lambda: goes_on(box, 0.1))
    box.run("container", "pause", "c")
    box.run("container", "unpause", "c")
    assert state(box)["Status"] == "running"


@as_root
def test_which_containers_are_paused(box: Pod, busybox: str) -> None:
    ids = [
        box.run("run", "-d", "--name", name, "--label", f"n={name}", busybox, "sleep", "100").out for name in ("a", "b")
    ]
    box.run("create", "--name", "c", "--cidfile", f"{box.home}/cid", busybox)
    assert sorted(box.run("pause", "--all").out.split()) == sorted(ids)
    assert box.run("pause", "--all").out == ""
    assert sorted(box.run("unpause", "-a").out.split()) == sorted(ids)
    assert box.run("pause", "--filter", "label=n=a").out == ids[0]
    assert box.run("unpause", "-f", "status=paused").out == ids[0]
    done = box.run("pause", "--cidfile", f"{box.home}/cid", check=False)
    assert (done.code, done.stderr) == (
        125,
        'Error: "created" is not running, can\'t pause: container state improper\n',
    )
    box.run("rm", "c")
    assert box.run("pause", "--latest").out == ids[1]
    assert box.run("unpause", "-l").out == ids[1]
    with open(f"{box.home}/b", "w") as file:
        file.write(ids[1])
    assert box.run("pause", "--cidfile", f"{box.home}/b").out == ids[1]
    assert box.run("unpause", "--cidfile", f"{box.home}/b").out == ids[1]
    done = box.run("pause", "a", "nope", "b", check=False)
    assert (done.code, done.out) == (125, "")  # all names are looked up before anything is paused
    assert state(box, "a")["Status"] == "running"


@as_root
def test_wrong_states(box: Pod, busybox: str) -> None:
    done = box.run("pause", "nope", check=False)
    assert (done.code, done.stderr) == (125, 'Error: no container with name or ID "nope" found: no such container\n')
    done = box.run("unpause", check=False)
    assert (done.code, done.stderr.splitlines()[0]) == (125, "Error: you must provide at least one name or id")
    container = box.run("run", "-d", "--name", "c", busybox, "sleep", "100").out
    done = box.run("unpause", "c", check=False)
    expected = f'Error: "{container}" is not paused, can\'t unpause: container state improper\n'
    assert (done.code, done.stderr) == (125, expected)
    box.run("pause", "c")
    done = box.run("pause", "c", check=False)
    assert (done.code, done.stderr) == (125, f'Error: "{container}" is already paused: container state improper\n')
    done = box.run("exec", "c", "true", check=False)
    assert done.code != 0
    assert "can only create exec sessions on running containers: container state improper" in done.stderr
    done = box.run("attach", "c", check=False)
    assert (done.code, "you can only attach to running containers" in done.stderr) == (125, True)
    assert box.run("rm", "c", check=False).code == 2
    assert state(box)["Status"] == "paused"


@as_root
@pytest.mark.skipif("POD_TEST_RUNTIME" in os.environ, reason="runc makes no container without control groups")
def test_without_a_cgroup_of_its_own(box: Pod, busybox: str) -> None:
    box.run("run", "-d", "--name", "d", "--cgroups", "disabled", busybox, "sleep", "100")
    done = box.run("pause", "d", check=False)
    assert (done.code, "it has no cgroup of its own" in done.stderr) == (125, True)


@as_root
@pytest.mark.parametrize("line", ["kill c", "stop -t 1 c", "stop -t 0 c", "rm -f -t 0 c"])
def test_a_paused_container_can_be_ended(box: Pod, busybox: str, line: str) -> None:
    box.run("run", "-d", "--name", "c", "--stop-timeout", "600", busybox, "sleep", "1000")
    box.run("pause", "c")
    box.run(*line.split())
    if line.startswith("rm"):
        assert box.run("ps", "-aq").out == ""
        return
    assert box.run("wait", "c").out == "137"
    assert state(box)["Status"] == "exited"
    box.run("start", "c")
    assert state(box)["Status"] == "running"


@as_root
def test_what_the_kernel_says_counts(box: Pod, busybox: str) -> None:
    """A pause that was killed before the kernel had frozen anything, or what somebody else thawed, is no pause."""
    box.run("run", "-d", "--name", "c", busybox, "sleep", "100")
    box.run("pause", "c")
    with open(f"{box.runroot}/containers/{box.run('ps', '-aq', '--no-trunc').out}/paused") as file:
        path, value = file.read().split()
    with open(path, "w") as file:
        file.write("THAWED" if value == "FROZEN" else "0")
    assert state(box)["Status"] == "running"
    box.run("pause", "c")
    assert state(box)["Status"] == "paused"


@as_root
def test_pausing_at_once(box: Pod, busybox: str) -> None:
    """Of several that pause or unpause at the same time each does it or says why not; none hangs or fails otherwise."""
    box.run("run", "-d", "--name", "c", busybox, "sh", "-c", TICK)
    for _ in range(3):
        commands = [box.start(verb, "c") for verb in ("pause", "unpause", "pause", "unpause")]
        for command in commands:
            _, stderr = command.communicate(timeout=60)
            assert command.returncode == 0 or b"container state improper" in stderr, stderr
        assert state(box)["Status"] in ("running", "paused")
    command = box.start("pause", "c", stderr=subprocess.PIPE)
    box.run("rm", "-f", "-t", "0", "c")
    command.communicate(timeout=60)


@as_root
@pytest.mark.skipif(not V1, reason="with cgroup v2 a frozen process dies when it is killed")
def test_a_container_killed_while_it_is_paused_ends(box: Pod, busybox: str) -> None:
    """`pause` comes between the signal and its effect: it must not keep the container from ending."""
    box.run("run", "-d", "--name", "c", busybox, "sleep", "100")
    pid = int(box.run("inspect", "--format", "{{.State.Pid}}", "c").out)
    with open(f"/proc/{pid}/cgroup") as file:
        path = next(line.strip().split(":", 2)[2] for line in file if ":freezer:" in line)
    freezer = f"/sys/fs/cgroup/freezer{path}/freezer.state"
    with open(freezer, "w") as file:
        file.write("FROZEN")
    os.kill(pid, 9)
    done = box.run("pause", "c", check=False)
    assert (done.code, "has just ended, can't pause" in done.stderr) == (125, True)
    assert box.run("wait", "c").out == "137"


@as_root
@pytest.mark.skipif("POD_TEST_RUNTIME" in os.environ, reason="of another runtime's container it is not known")
def test_a_container_is_not_paused_before_its_program_runs(box: Pod, busybox: str) -> None:
    """Whoever starts it would wait for a process that stands still."""
    identity = box.run("create", "--name", "c", busybox, "sleep", "100").out
    box.run("init", "c")
    with (
        open(f"{box.root}/containers/{identity}/started", "w") as file,
        open("/proc/sys/kernel/random/boot_id") as boot,
    ):
        file.write(f"{time.time()} {boot.read()}")
    done = box.run("pause", "c", check=False)
    assert (done.code, done.stderr) == (
        125,
        'Error: "initialized" is not running, can\'t pause: container state improper\n',
    )
