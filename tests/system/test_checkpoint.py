"""`pod-runtime checkpoint` and `restore` with Debian's CRIU: what ran goes on where it was."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

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


def counter() -> dict[str, Any]:
    document = spec("sh", "-c", _COUNT)
    shared = {"destination": "/shared", "type": "bind", "source": "/var/tmp/shared", "options": ["rbind", "rw"]}
    document["mounts"].append(shared)
    return document


def count(machine: Machine) -> int:
    return int(machine.run("root", "cat", "/var/tmp/shared/count").stdout or 0)


def await_count(machine: Machine, above: int) -> int:
    deadline = time.monotonic() + 120
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


@pytest.mark.slow
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


def test_a_terminal_goes_on_too(machine: Machine, runtime: Runtime) -> None:
    """Its master is handed to the console socket, as an engine wants it; here a few lines of Python play the engine."""
    document = counter()
    document["process"]["terminal"] = True
    document["process"]["args"] = ["sh", "-c", "i=0; while read line; do i=$((i+1)); echo number $i; done"]
    runtime.configure(document)
    machine.put("/tmp/engine.py", _ENGINE.encode())
    done = machine.run("root", "python3", "/tmp/engine.py", BUNDLE, NAME, IMAGES, timeout=120)
    assert done.stdout.split() == ["number", "1", "number", "2"]


_ENGINE = """
import os, select, socket, subprocess, sys
bundle, name, images = sys.argv[1:]

def console(*words):
    path = f"/tmp/console{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        # In a session of its own, without the terminal that ssh may have.
        command = ["pod-runtime", *words, "--bundle", bundle, "--console-socket", path, name]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        connection, _address = listener.accept()
        with connection:
            fds = socket.recv_fds(connection, 100, 1)[1]
    os.unlink(path)
    return fds[0]

def ask(master):
    os.write(master, b"go\\n")
    seen = b""
    while b"number" not in seen or not seen.endswith(b"\\n"):
        assert select.select([master], [], [], 30)[0], seen
        seen += os.read(master, 100)
    print(seen.decode().splitlines()[-1].strip(), flush=True)

master = console("create")
subprocess.run(["pod-runtime", "start", name], check=True)
ask(master)
subprocess.run(["pod-runtime", "checkpoint", "--image-path", images, name], check=True)
os.close(master)
ask(console("restore", "--detach", "--image-path", images))
"""


def test_in_a_unit_of_systemd(machine: Machine, runtime: Runtime) -> None:
    document = counter()
    document["linux"]["cgroupsPath"] = f"system.slice:pod:{NAME}"
    runtime.configure(document)
    create = f"pod-runtime --systemd-cgroup create --bundle {BUNDLE} {NAME} </dev/null >/dev/null 2>&1"
    machine.shell("root", f"{create}; pod-runtime start {NAME}")
    await_count(machine, 1)
    runtime("checkpoint", "--image-path", IMAGES, NAME)
    saved = count(machine)
    words = f"--image-path {IMAGES} --bundle {BUNDLE} --detach {NAME}"
    command = f"pod-runtime --systemd-cgroup restore {words} </dev/null >/tmp/log 2>&1"
    machine.shell("root", f"{command} || {{ cat /tmp/log; exit 1; }}")
    await_count(machine, saved)
    pid = json.loads(runtime("state", NAME).stdout)["pid"]
    assert machine.run("root", "cat", f"/proc/{pid}/cgroup").stdout == f"0::/system.slice/pod-{NAME}.scope\n"
    assert machine.run("root", "systemctl", "is-active", f"pod-{NAME}.scope").stdout == "active\n"
    runtime("delete", "--force", NAME)
    assert machine.run("root", "systemctl", "is-active", f"pod-{NAME}.scope", check=False).stdout == "inactive\n"


@pytest.mark.slow
def test_podman_saves_and_restores(machine: Machine) -> None:
    """podman drives it, by conmon and with its own network: `podman container checkpoint` and `restore`."""
    podman = "podman --runtime /usr/local/bin/pod-runtime"
    machine.shell("root", f"{podman} import -q /srv/rootfs.tar busybox", timeout=120)
    try:
        command = "i=0; while :; do i=\\$((i+1)); echo \\$i; sleep 0.1; done"
        machine.shell("root", f'{podman} run -d --name saved busybox sh -c "{command}"', timeout=120)
        time.sleep(2)
        machine.shell("root", f"{podman} container checkpoint saved", timeout=120)
        before = int(machine.shell("root", f"{podman} logs --tail 1 saved").stdout)
        machine.shell("root", f"{podman} container restore saved", timeout=120)
        time.sleep(2)
        after = int(machine.shell("root", f"{podman} logs --tail 1 saved").stdout)
        assert before < after < before + 100
    finally:
        machine.shell("root", f"{podman} rm -f -t 0 saved; {podman} rmi -f busybox", timeout=120, check=False)
