"""--exit-policy: what a pod does once the last of its containers has ended."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from tests.fixtures.command import SOURCE, Pod
from tests.fixtures.monitor import eventually


def word(box: Pod, name: str) -> str:
    return box.run("pod", "inspect", "--format", "{{.State}}", name).out


def follows(box: Pod, name: str = "one") -> None:
    """Wait until the pod has ended, too."""
    eventually(lambda: word(box, name) == "Exited", seconds=60)


def infra_state(box: Pod, name: str = "one") -> str:
    identity = box.run("pod", "inspect", "--format", "{{.InfraContainerID}}", name).out
    return box.run("inspect", "--format", "{{.State.Status}}", identity).out


def test_continue(box: Pod, busybox: str) -> None:
    box.run("pod", "create", "--name", "one", "--exit-policy", "continue")
    box.run("run", "--pod", "one", busybox, "true")
    assert word(box, "one") == "Degraded"
    box.run("pod", "rm", "-f", "one")


def test_the_command_that_is_attached_ends_the_pod(box: Pod, busybox: str) -> None:
    box.run("pod", "create", "--name", "one", "--exit-policy", "stop")
    box.run("pod", "start", "one")
    assert word(box, "one") == "Running"  # nothing has ended yet
    assert box.run("run", "--pod", "one", "--name", "a", busybox, "sh", "-c", "exit 3", check=False).code == 3
    assert word(box, "one") == "Exited"
    box.run("run", "--rm", "--pod", "one", busybox, "true")
    assert word(box, "one") == "Exited"
    assert box.run("start", "--attach", "a", check=False).code == 3
    assert word(box, "one") == "Exited"
    box.run("pod", "rm", "one")


def test_a_monitor_ends_the_pod(box: Pod, busybox: str) -> None:
    box.run("pod", "create", "--name", "one", "--exit-policy", "stop")
    box.run("run", "-d", "--pod", "one", "--name", "a", busybox, "sleep", "1000")
    box.run("run", "-d", "--pod", "one", "--name", "b", busybox, "sleep", "1000")
    box.run("stop", "-t", "0", "a")
    box.run("restart", "-t", "0", "b")  # it is not gone in between
    assert infra_state(box) == "running"
    box.run("kill", "b")
    follows(box)
    box.run("pod", "start", "one")
    assert word(box, "one") == "Running"
    box.run("rm", "-f", "-t", "0", "a", "b")
    eventually(lambda: infra_state(box) == "exited", seconds=60)
    box.run("run", "-d", "--rm", "--pod", "one", busybox, "true")
    eventually(lambda: infra_state(box) == "exited" and box.run("ps", "-aq").out.count("\n") == 0, seconds=60)
    box.run("pod", "rm", "one")


def test_who_has_yet_to_run_keeps_the_pod(box: Pod, busybox: str) -> None:
    box.run("pod", "create", "--name", "one", "--exit-policy", "stop")
    box.run("create", "--pod", "one", "--name", "later", busybox, "true")
    box.run("run", "--pod", "one", busybox, "true")
    assert infra_state(box) == "running"
    box.run("start", "later")
    follows(box)
    box.run("pod", "rm", "one")


def test_one_that_is_started_again_keeps_the_pod(box: Pod, busybox: str) -> None:
    box.run("pod", "create", "--name", "one", "--exit-policy", "stop")
    script = "[ -e /n2 ] && exit 0; [ -e /n1 ] && touch /n2; touch /n1; exit 1"
    box.run("run", "-d", "--pod", "one", "--name", "a", "--restart", "on-failure:5", busybox, "sh", "-c", script)
    follows(box)
    assert box.run("inspect", "--format", "{{.State.ExitCode}} {{.RestartCount}}", "a").out == "0 2"
    box.run("pod", "rm", "one")


def test_restart_of_a_pod_does_not_end_it(box: Pod, busybox: str) -> None:
    box.run("pod", "create", "--name", "one", "--exit-policy", "stop")
    box.run("run", "-d", "--pod", "one", "--name", "a", busybox, "sh", "-c", "trap exit TERM; sleep 1000 & wait")
    for _ in range(3):
        box.run("pod", "restart", "one")
        assert word(box, "one") == "Running"
    box.run("stop", "-t", "5", "a")
    follows(box)
    box.run("start", "a")
    assert word(box, "one") == "Running"
    box.run("pod", "rm", "-f", "-t", "0", "one")


def test_containers_that_come_while_others_go(box: Pod, busybox: str) -> None:
    """Each finds the namespaces of its pod: nobody takes them away between its look and its start."""
    box.run("pod", "create", "--name", "one", "--exit-policy", "stop")
    for _ in range(4):
        started = [box.start("run", "-d", "--rm", "--pod", "one", busybox, "true") for _ in range(4)]
        for process in started:
            error = process.communicate(timeout=60)[1].decode()
            assert process.returncode == 0, error
    eventually(lambda: infra_state(box) == "exited" and len(box.run("ps", "-aq").out.split()) == 1, seconds=60)
    box.run("pod", "rm", "one")


def test_what_nobody_could_do_the_next_command_does(box: Pod, busybox: str) -> None:
    """The monitor was killed, so nobody saw the last container end."""
    box.run("pod", "create", "--name", "one", "--exit-policy", "stop")
    box.run("run", "-d", "--pod", "one", "--name", "a", busybox, "sleep", "1000")
    with open(
        os.path.join(box.runroot, "containers", box.run("inspect", "--format", "{{.Id}}", "a").out, "monitor")
    ) as f:
        monitor = int(f.read().split()[0])
    pid = int(box.run("inspect", "--format", "{{.State.Pid}}", "a").out)
    os.kill(monitor, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not os.path.exists(f"/proc/{pid}"))
    box.run("create", "--name", "other", busybox)
    assert infra_state(box) == "exited"
    box.run("rm", "other")
    box.run("pod", "rm", "-f", "one")


def test_the_hidden_command_of_monitors(box: Pod, busybox: str) -> None:
    identity = box.run("pod", "create", "--name", "one").out
    assert "settle" not in box.run("pod", "--help").out
    box.run("pod", "settle", identity, "0" * 64)
    box.run("pod", "settle", "0" * 64, "0" * 64)
    box.run("pod", "rm", "one")


SLOW = f"""
import sys, time
sys.path.insert(0, {SOURCE!r})
from pod.containers import launched

detach = launched.Launched.detach
launched.Launched.detach = lambda self: (time.sleep(0.5), detach(self))
from pod.__main__ import main
main()
"""


def test_what_is_needed_ends_before_it_is_left_alone(box: Pod, busybox: str) -> None:
    """Its end is not that of the pod, whose next container is about to start: that one's lock is ours."""
    if box.user.uid:
        pytest.skip("runs from the source tree, which the user may not enter")
    box.run("pod", "create", "--name", "p", "--exit-policy", "stop")
    box.run("run", "--pod", "p", "--name", "first", busybox, "true")
    deaf = ("--stop-signal", "KILL", busybox, "sleep", "1000")
    box.run("run", "-d", "--pod", "p", "--name", "second", "--requires", "first", *deaf)
    box.run("stop", "second")
    box.execute([sys.executable, "-c", SLOW, *box.argv()[1:], "start", "second"], timeout=60)
    assert box.run("inspect", "--format", "{{.State.Status}}", "second").out == "running"
    box.run("pod", "rm", "--force", "p")


def test_what_a_killed_command_left_of_a_container_that_is_to_go(box: Pod, busybox: str) -> None:
    """Nothing tells any more who was in the pod, but that somebody was."""
    box.run("pod", "create", "--name", "one", "--exit-policy", "stop")
    box.run("pod", "start", "one")
    box.run("create", "--name", "other", busybox)
    box.run("rm", "other")
    assert word(box, "one") == "Running"  # it has had none
    box.run("create", "--pod", "one", "--name", "c", busybox)
    # As if the command had been killed after this, and before it looked at the pod.
    query = "PRAGMA foreign_keys=1; DELETE FROM container WHERE name = 'c'"
    delete = f"import sqlite3; sqlite3.connect('{box.root}/pod.db').executescript({query!r})"
    box.execute(["python3", "-c", delete])
    box.run("create", "--name", "other", busybox)
    follows(box)
    box.run("pod", "start", "one")
    box.run("rm", "other")
    assert word(box, "one") == "Running"
    box.run("pod", "rm", "--force", "one")
