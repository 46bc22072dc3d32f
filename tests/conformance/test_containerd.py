"""containerd with `pod-runtime` in place of runc: `ctr run --runc-binary`."""

from __future__ import annotations

import itertools
import subprocess
import time
from collections.abc import Callable, Iterator

import pexpect
import pytest

from tests.fixtures.engines import Containerd

pytestmark = pytest.mark.root

STAY = "trap 'exit 5' TERM; touch /ready; while :; do sleep 0.05; done"


@pytest.fixture
def daemon(running_containerd: Containerd) -> Iterator[Containerd]:
    yield running_containerd
    for name in running_containerd.run("container", "ls", "--quiet").stdout.split():
        running_containerd.run("task", "delete", "--force", name, check=False)
        running_containerd.run("container", "rm", name, check=False)


def await_(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.1)


def run(daemon: Containerd, image: str, name: str, *command: str, options: tuple[str, ...] = ("--rm",)) -> list[str]:
    return [*daemon.prefix, "run", *options, *daemon.runtime, image, name, *command]


def start(daemon: Containerd, image: str, name: str, *options: str) -> None:
    # Its standard streams are the client's, which must not wait for them.
    command = run(daemon, image, name, "sh", "-c", STAY, options=("--detach", *options))
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True, timeout=60)
    looks = itertools.count()
    look = ["task", "exec", "--exec-id"]
    await_(lambda: daemon.run(*look, f"look{next(looks)}", name, "test", "-e", "/ready", check=False).returncode == 0)


@pytest.mark.parametrize(("script", "code"), [("true", 0), ("exit 7", 7), ("sh -c 'kill -9 $$'; exit $?", 137)])
def test_run_returns_the_exit_code(daemon: Containerd, busybox: str, script: str, code: int) -> None:
    done = subprocess.run(
        run(daemon, busybox, "box", "sh", "-c", f"echo out; {script}"), capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (code, "out\n"), done.stderr
    assert daemon.run("container", "ls", "--quiet").stdout == ""


@pytest.mark.parametrize(
    ("command", "message"), [("/no/such", "no such file or directory"), ("/etc/not-executable", "permission denied")]
)
def test_what_cannot_run_is_said(daemon: Containerd, busybox: str, command: str, message: str) -> None:
    done = subprocess.run(run(daemon, busybox, "box", command), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert message in done.stderr
    assert daemon.tasks() == {}


def test_exec(daemon: Containerd, busybox: str) -> None:
    start(daemon, busybox, "box")
    assert daemon.run("task", "exec", "--exec-id", "a", "box", "echo", "hi").stdout == "hi\n"
    assert daemon.run("task", "exec", "--exec-id", "b", "--user", "1000", "box", "id", "-u").stdout == "1000\n"
    assert daemon.run("task", "exec", "--exec-id", "c", "box", "sh", "-c", "exit 9", check=False).returncode == 9
    failed = daemon.run("task", "exec", "--exec-id", "d", "box", "/no/such", check=False)
    assert failed.returncode == 1
    assert "no such file or directory" in failed.stderr


def test_terminals(daemon: Containerd, busybox: str) -> None:
    for command in (
        run(daemon, busybox, "term", "sh", options=("--rm", "--tty")),
        [*daemon.prefix, "task", "exec", "--exec-id", "t", "--tty", "box", "sh"],
    ):
        start(daemon, busybox, "box")
        typed = pexpect.spawn(command[0], command[1:], timeout=60, encoding="utf-8")
        typed.expect("#")
        typed.sendline("tty; exit 4")
        typed.expect("/dev/pts/")
        typed.wait()
        typed.close()
        assert typed.exitstatus == 4
        daemon.run("task", "kill", "--signal", "KILL", "box")
        await_(lambda: daemon.tasks()["box"] == "STOPPED")
        daemon.run("task", "delete", "box", check=False)
        daemon.run("container", "rm", "box")


def test_kill_pause_and_metrics(daemon: Containerd, busybox: str) -> None:
    start(daemon, busybox, "box", "--memory-limit", str(64 << 20))
    assert daemon.tasks() == {"box": "RUNNING"}
    assert len(daemon.run("task", "ps", "box").stdout.splitlines()) > 1
    metrics = daemon.run("task", "metrics", "box").stdout
    assert str(64 << 20) in metrics
    daemon.run("task", "pause", "box")
    assert daemon.tasks() == {"box": "PAUSED"}
    daemon.run("task", "resume", "box")
    assert daemon.tasks() == {"box": "RUNNING"}
    daemon.run("task", "kill", "--signal", "TERM", "box")
    await_(lambda: daemon.tasks() == {"box": "STOPPED"})
    assert "code 5" in daemon.run("task", "delete", "box", check=False).stderr


def test_force_removes_a_paused_task(daemon: Containerd, busybox: str) -> None:
    start(daemon, busybox, "box")
    daemon.run("task", "pause", "box")
    daemon.run("task", "delete", "--force", "box", check=False)
    assert daemon.tasks() == {}


@pytest.mark.slow
def test_fifty_at_once(daemon: Containerd, busybox: str) -> None:
    names = [f"box{number}" for number in range(50)]
    starting = [
        subprocess.Popen(
            run(daemon, busybox, name, "sh", "-c", STAY, options=("--detach",)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for name in names
    ]
    assert [process.wait(300) for process in starting] == [0] * 50
    assert daemon.tasks() == dict.fromkeys(names, "RUNNING")
    for name in names:
        daemon.run("task", "kill", "--signal", "KILL", name)
    await_(lambda: set(daemon.tasks().values()) == {"STOPPED"}, 120)
    for name in names:
        daemon.run("task", "delete", name, check=False)
    assert daemon.tasks() == {}
