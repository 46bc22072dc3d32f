"""`pod --runtime` when things go wrong: programs that are no runtime, and kill -9 of command and monitor.

That nothing is left, no process, mount, control group or file, is what the fixture `pod` looks for after each test.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from contextlib import suppress

import pytest

from tests.fixtures import leaks
from tests.fixtures.command import Pod
from tests.fixtures.external import External, external, script
from tests.fixtures.monitor import eventually
from tests.integration.test_crash import Killer

KILLS = 3 if os.environ.get("POD_TEST_QUICK") else 10


@pytest.fixture(params=["runc", "crun", "pod-runtime"])
def other(box: Pod, request: pytest.FixtureRequest) -> External:
    return external(box, request.param)


def refused(box: Pod, runtime: str, image: str, *options: str, code: int = 126) -> str:
    """Return the error of a `run` that cannot work; nothing may be left of it."""
    result = box.run("--runtime", runtime, "run", *options, image, "true", check=False)
    assert (result.code, result.stdout) == (code, "")
    if "--name" in options:
        box.run("rm", options[-1])
    assert box.run("ps", "-aq").out == ""
    return result.stderr


def test_missing(box: Pod, busybox: str) -> None:
    text = "Error: no valid executable found for OCI runtime /no/such: invalid argument\n"
    assert refused(box, "/no/such", busybox, "--rm", code=125).startswith(text)
    assert refused(box, "/no/such", busybox, code=125).startswith(text)
    assert 'default OCI runtime "none" not found: invalid argument' in refused(box, "none", busybox, code=125)


def test_not_executable(box: Pod, busybox: str) -> None:
    path = script(box, "plain", "exit 0", mode=0o644)
    assert f"no valid executable found for OCI runtime {path}: invalid argument" in refused(
        box, path, busybox, code=125
    )
    path = script(box, "no-interpreter", "", mode=0o755)
    with open(path, "w") as file:
        file.write("#!/no/such/interpreter\n")
    assert f"execute `{path}`: No such file or directory" in refused(box, path, busybox, "--rm")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("echo this is not JSON >&2; exit 1", "this is not JSON: OCI runtime error"),
        ("head -c 100000 /dev/urandom >&2; exit 1", "OCI runtime error"),
        ("yes garbage | head -c 1000000; exit 2", "ended with exit status 2, without a word"),
        ("kill -SEGV $$", "was killed by signal 11"),
        ("exit 0", "it ended well, but made no process"),
        ('while [ "$1" != --pid-file ]; do shift || exit 0; done; echo 1 >"$2"', "is not ours"),
        ('sleep 1000 & echo $! >>"$0.left"; exit 0', "it ended well, but made no process"),
    ],
)
def test_no_runtime_at_all(box: Pod, busybox: str, text: str, told: str) -> None:
    path = script(box, "bad", text)
    try:
        assert told in refused(box, path, busybox, "--rm")
    finally:
        if os.path.exists(left := f"{path}.left"):  # what is ours to end: it is nobody's child
            with open(left) as file:
                for pid in file.read().split():
                    with suppress(ProcessLookupError):  # that of `create` has been ended
                        os.kill(int(pid), signal.SIGKILL)


def test_fails_to_start(box: Pod, busybox: str) -> None:
    path = script(box, "bad", f'case "$*" in *" start "*) exit 1;; esac; exec {box.command}-runtime "$@"')
    assert "bad start: it ended with exit status 1" in refused(box, path, busybox, "--rm")


@pytest.mark.parametrize("verb", ["create", "exec"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_hangs(box: Pod, busybox: str, verb: str, number: signal.Signals) -> None:
    """A runtime that never comes to an end is killed once its command has gone."""
    mark = os.path.join(box.home, "hangs")
    hang = f'case "$*" in *" {verb} "*) touch {mark}; exec sleep 1000;; esac'
    path = script(box, "slow", f'{hang}; exec {box.command}-runtime "$@"')
    words = ["run", "--rm", busybox, "true"]
    if verb == "exec":
        box.run("--runtime", path, "run", "-d", "--name", "c", busybox, "sleep", "1000")
        words = ["exec", "c", "true"]
    with box.start("--runtime", path, *words) as process:
        eventually(lambda: os.path.exists(mark))
        time.sleep(0.1)
        process.send_signal(number)
        process.wait(timeout=60)
    if verb == "exec":
        box.run("rm", "-f", "-t", "0", "c")
    eventually(lambda: not [one for one in leaks.processes() if one.pid != os.getpid() and one.mentions(box.directory)])
    box.run("run", "--rm", busybox, "true")  # sweeps


def test_a_process_that_a_killed_program_has_left(box: Pod, busybox: str) -> None:
    """It bears the program's command line, and no `delete` knows of it."""
    mark = os.path.join(box.home, "made")
    left = f'case "$*" in *" create "*) (echo $$ >{mark}; while :; do sleep 0.1; done) & exec sleep 1000;; esac'
    path = script(box, "dies", f'{left}; exec {box.command}-runtime "$@"')
    with box.start("--runtime", path, "run", "--name", "c", busybox, "true") as process:
        eventually(lambda: os.path.exists(mark))
        assert kill_monitor(process.pid, 0.1)
        process.communicate(timeout=60)
    box.run("rm", "-f", "-t", "0", "c")
    eventually(lambda: not [found for found in leaks.processes() if f"{box.runroot}/containers" in found.command])


def test_program_that_was_removed_meanwhile(box: Pod, busybox: str) -> None:
    path = script(box, "gone", f'exec {box.command}-runtime "$@"')
    box.run("--runtime", path, "run", "-d", "--name", "c", busybox, "sleep", "1000")
    os.unlink(path)
    result = box.run("exec", "c", "true", check=False)
    assert (result.code, f"execute `{path}`" in result.stderr) == (125, True)
    box.run("rm", "-f", "-t", "0", "c")
    assert box.run("ps", "-aq").out == ""


@pytest.mark.slow
def test_killed_commands(other: External, busybox: str) -> None:
    pod = other.pod
    killer = Killer(pod, *other.new("--rm", busybox, "sleep", "0.1"))
    while killer.hits < KILLS:
        options = ["--name", f"c{killer.hits}", "--replace"] if killer.hits % 2 else ["--rm"]
        killer.strike(*other.new(*options, busybox, "sleep", "0.1"))
        if killer.hits % 5 == 0:
            pod.run("ps", "-a")
            assert pod.run(*other.new("--rm", busybox, "echo", "fine")).out == "fine"
    pod.remove_containers()
    assert pod.run(*other.new("--rm", busybox, "echo", "fine")).out == "fine"


@pytest.mark.slow
def test_killed_monitors(other: External, busybox: str) -> None:
    """Whenever a monitor is killed: its command ends, and `rm -f` leaves nothing."""
    pod = other.pod
    hits = 0
    for number in range(10 * KILLS):
        name = f"c{number}"
        with pod.start(*other.new("--name", name, busybox, "sleep", "0.1"), stdout=subprocess.DEVNULL) as process:
            hits += kill_monitor(process.pid, random.uniform(0, 0.4))
            process.communicate(timeout=60)
        pod.run("rm", "-f", "-t", "0", name, check=False)
        assert pod.run("ps", "-aq").out == ""
        if hits >= KILLS:
            break
    assert hits >= KILLS
    assert pod.run(*other.new("--rm", busybox, "echo", "fine")).out == "fine"


@pytest.mark.slow
def test_killed_execs_and_removals(other: External, busybox: str) -> None:
    pod = other.pod
    killer = Killer(pod, *other.new("--rm", busybox, "sleep", "0.1"))
    for _ in range(max(2, KILLS // 3)):
        pod.run(*other.new("-d", "--name", "c", busybox, "sleep", "1000"))
        killer.strike("exec", "c", "sleep", "0.1")
        with pod.start("exec", "c", "sleep", "0.1", stdout=subprocess.DEVNULL) as process:
            kill_monitor(process.pid, random.uniform(0, 0.3))
            process.communicate(timeout=60)
        killer.strike("stop", "-t", "0", "c")
        killer.strike("rm", "-f", "-t", "0", "c")
        pod.run("rm", "-f", "-t", "0", "c", check=False)
        assert pod.run("ps", "-aq").out == ""
    for name in os.listdir(f"{pod.runroot}/exec"):
        os.utime(f"{pod.runroot}/exec/{name}", (0, 0))  # a session without an owner is swept once it is old
    pod.run(*other.new("--rm", busybox, "true"))


def kill_monitor(command: int, seconds: float) -> bool:
    """Kill the monitor that a command has forked, after a while; tell whether there was one."""
    time.sleep(seconds)
    try:
        with open(f"/proc/{command}/task/{command}/children") as file:
            children = [int(pid) for pid in file.read().split()]
        for pid in children:
            with open(f"/proc/{pid}/comm") as file:
                if file.read().strip() == "pod-monitor":
                    os.kill(pid, signal.SIGKILL)
                    return True
    except (FileNotFoundError, ProcessLookupError):
        pass
    return False
