"""`pod-runtime checkpoint` and `restore` with Debian's CRIU: what ran goes on where it was."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.system.bundles import BUNDLE, NAME, Runtime, spec
from tests.system.machine import Machine

IMAGES = "/var/tmp/checkpoint"
# Counts in a shell variable, which only its memory has, and tells each number in a file of the host.
_COUNT = "i=0; while :; do i=$((i+1)); echo $i > /shared/count; sleep 0.1; done"


@pytest.fixture
def runtime(machine: Machine) -> Iterator[Runtime]:
    machine.shell("root", f"rm -rf {IMAGES} /var/tmp/shared; mkdir -p /var/tmp/shared")
    made = Runtime(machine)
    yield made
    made("delete", "--force", NAME)
    machine.shell("root", f"rm -rf {IMAGES} /var/tmp/shared")


def start(machine: Machine, runtime: Runtime) -> None:
    """Start the container as engines do: nothing to read, pipes to write to."""
    runtime.configure(counter())
    create = f"rm -f /tmp/made; (pod-runtime create --bundle {BUNDLE} {NAME} </dev/null; touch /tmp/made) 2>&1"
    wait = "until [ -e /tmp/made ]; do sleep 0.1; done"
    machine.shell("root", f"{create} | cat >/tmp/log 2>&1 & sleep 0.2; {wait}; pod-runtime start {NAME}")


def counter() -> dict[str, object]:
    document = spec("sh", "-c", _COUNT)
    shared = {"destination": "/shared", "type": "bind", "source": "/var/tmp/shared", "options": ["rbind", "rw"]}
    document["mounts"].append(shared)
    return document


def count(machine: Machine) -> int:
    return int(machine.run("root", "cat", "/var/tmp/shared/count").stdout or 0)


def await_count(machine: Machine, above: int) -> int:
    deadline = time.monotonic() + 30
    while (now := count(machine)) <= above:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return now


def test_a_container_goes_on_where_it_was_saved(machine: Machine, runtime: Runtime) -> None:
    start(machine, runtime)
    await_count(machine, 5)
    runtime("checkpoint", "--image-path", IMAGES, NAME)
    assert "does not exist" in runtime("state", NAME, check=False).stderr
    saved = count(machine)
    time.sleep(0.5)
    assert count(machine) == saved
    pid_file = f"{IMAGES}/pid"
    words = f"--image-path {IMAGES} --bundle {BUNDLE} --detach --pid-file {pid_file} {NAME}"
    # The container gets the standard streams of the command, on which ssh would wait for ever.
    machine.shell("root", f"pod-runtime restore {words} </dev/null >/tmp/log 2>&1 || {{ cat /tmp/log; exit 1; }}")
    # The number after the last one, not 1: its memory is what it was.
    assert await_count(machine, saved) <= saved + 20
    state = json.loads(runtime("state", NAME).stdout)
    assert (state["status"], state["pid"]) == ("running", int(machine.run("root", "cat", pid_file).stdout))
    assert runtime("exec", NAME, "hostname").returncode == 0
    assert machine.run("root", "cat", f"/proc/{state['pid']}/cgroup").stdout == f"0::/{NAME}\n"
    runtime("kill", NAME, "KILL")


def test_leave_running_and_pre_dump(machine: Machine, runtime: Runtime) -> None:
    start(machine, runtime)
    await_count(machine, 2)
    machine.shell("root", f"mkdir {IMAGES}")
    runtime("checkpoint", "--pre-dump", "--image-path", f"{IMAGES}/pre", "--work-path", f"{IMAGES}/work", NAME)
    await_count(machine, count(machine))
    words = ["--image-path", f"{IMAGES}/whole", "--parent-path", "../pre", "--leave-running"]
    runtime("checkpoint", *words, NAME)
    assert json.loads(runtime("state", NAME).stdout)["status"] == "running"
    await_count(machine, count(machine))
    assert machine.run("root", "test", "-e", f"{IMAGES}/whole/inventory.img", check=False).returncode == 0


def test_a_restore_that_fails_leaves_nothing(machine: Machine, runtime: Runtime) -> None:
    start(machine, runtime)
    runtime("kill", NAME, "KILL")
    runtime("delete", "--force", NAME)
    machine.shell("root", f"mkdir {IMAGES}")
    words = ["restore", "--image-path", IMAGES, "--bundle", BUNDLE, "--detach", NAME]
    done = runtime(*words, check=False)
    assert (done.returncode, done.stderr.startswith("pod-runtime: criu could not restore")) == (1, True), done.stderr
    assert "does not exist" in runtime("state", NAME, check=False).stderr
    assert machine.run("root", "test", "-e", f"/sys/fs/cgroup/{NAME}", check=False).returncode == 1
