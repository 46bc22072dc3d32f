"""Restart policies: they work with no command and no daemon, and never against the user's will."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from tests.fixtures.command import Pod
from tests.fixtures.monitor import alive, eventually


def told(box: Pod, container: str, template: str) -> str:
    return box.run("inspect", "--format", template, container).out


def state(box: Pod, container: str) -> str:
    return told(box, container, "{{.State.Status}}")


def restarts(box: Pod, container: str) -> int:
    return int(told(box, container, "{{.RestartCount}}"))


def waiting(box: Pod, image: str, *options: str, script: str = "exit 4") -> str:
    """Return a container that waits for its next start, some time from now."""
    identity = box.run("run", "-d", *options, image, "sh", "-c", script).out
    eventually(lambda: state(box, identity) == "restarting" and restarts(box, identity) >= 2)
    return identity


def test_on_failure_starts_again_as_often_as_said(box: Pod, busybox: str) -> None:
    result = box.run(
        "run", "--name", "c", "--restart", "on-failure:2", busybox, "sh", "-c", "echo run; exit 3", check=False
    )
    assert (result.code, result.out.split()) == (3, ["run", "run", "run"])
    assert told(box, "c", "{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}") == "2 exited 3"
    assert told(box, "c", "{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}}") == (
        "on-failure 2"
    )
    assert box.run("logs", "c").out.split() == ["run", "run", "run"]


def test_success_is_no_failure(box: Pod, busybox: str) -> None:
    assert box.run("run", "--name", "c", "--restart", "on-failure", busybox, "echo", "once").out == "once"
    assert told(box, "c", "{{.RestartCount}} {{.State.Status}}") == "0 exited"


def test_last_run_decides_the_exit_code(box: Pod, busybox: str) -> None:
    script = "echo x >> /runs; [ $(wc -l < /runs) -lt 2 ] && exit 9; exit 0"
    assert box.run("run", "--restart", "on-failure:5", busybox, "sh", "-c", script).code == 0


def test_stopping_between_two_runs_ends_it(box: Pod, busybox: str) -> None:
    # A stop that waited for somebody to end would take so long that the command runs into its own time.
    identity = waiting(box, busybox, "--restart", "unless-stopped", "--stop-timeout", "600")
    assert told(box, identity, "{{.State.Restarting}} {{.State.ExitCode}}") == "true 4"
    assert "Restarting (4)" in box.run("ps").out
    box.run("stop", identity)
    count = restarts(box, identity)
    time.sleep(0.6)
    assert (state(box, identity), restarts(box, identity)) == ("exited", count)


def test_sigterm_while_the_monitor_starts_it_again_ends_it(box: Pod, busybox: str) -> None:
    """As systemd ends a service: the hook holds the monitor where it has made the container and not yet started it."""
    hooks, door, holds = (os.path.join(box.home, name) for name in ("hooks", "door", "holds"))
    os.mkdir(hooks)
    os.mkfifo(door)
    script = f"[ ! -e {holds} ] || cat {door}"
    hook = {"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/usr/bin:/bin"]}
    with open(f"{hooks}/hold.json", "w") as file:
        json.dump({"version": "1.0.0", "hook": hook, "when": {"always": True}, "stages": ["createRuntime"]}, file)
    program = ["sh", "-c", "echo run; read line"]
    identity = box.run("--hooks-dir", hooks, "run", "-di", "--restart", "always", busybox, *program).out
    monitor = int(told(box, identity, "{{.State.ConmonPid}}"))
    eventually(lambda: box.run("logs", identity).out == "run")
    open(holds, "w").close()
    os.kill(int(told(box, identity, "{{.State.Pid}}")), signal.SIGKILL)
    with open(door, "w"):  # the hook has come to read
        os.kill(monitor, signal.SIGTERM)
    eventually(lambda: not alive(monitor))
    assert state(box, identity) == "exited"
    assert os.listdir(f"{box.runroot}/containers/{identity}") == ["lock"]
    assert told(box, identity, "{{.State.ExitCode}} {{.RestartCount}}") == "137 0"
    assert box.run("logs", identity).out == "run"
    os.unlink(holds)
    box.run("start", identity)
    assert state(box, identity) == "running"


def test_stopping_a_running_one_ends_it(box: Pod, busybox: str) -> None:
    identity = box.run("run", "-d", "--restart", "always", busybox, "sleep", "100").out
    box.run("stop", "--time", "0", identity)
    time.sleep(0.5)
    assert state(box, identity) == "exited"
    box.run("start", identity)
    assert state(box, identity) == "running"
    box.run("kill", identity)
    assert box.run("wait", identity).out == "137"


def test_kill_and_forced_removal_between_two_runs(box: Pod, busybox: str) -> None:
    killed = waiting(box, busybox, "--restart", "always")
    box.run("kill", killed)
    assert state(box, killed) == "exited"
    removed = waiting(box, busybox, "--restart", "always")
    assert box.run("rm", removed, check=False).code == 2
    box.run("rm", "-f", removed)
    assert removed[:12] not in box.run("ps", "-aq").out


def test_wait_and_logs_follow_through_restarts(box: Pod, busybox: str) -> None:
    script = "echo run; sleep 0.3; exit 5"
    identity = box.run("run", "-d", "--restart", "on-failure:2", busybox, "sh", "-c", script).out
    follower = box.start("logs", "-f", identity)
    assert box.run("wait", identity).out == "5"
    assert follower.communicate(timeout=60)[0].split() == [b"run"] * 3


def test_attached_client_stays(box: Pod, busybox: str) -> None:
    """Output of all runs, and a terminal's size in the next one; an interrupt ends it for good."""
    with box.start("run", "--restart", "always", busybox, "sh", "-c", "echo run; exit 1") as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(3)] == [b"run\n"] * 3
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode in (1, 130)
    assert box.run("ps", "-q").out == ""


def test_killed_monitor_loses_the_restart_only(box: Pod, busybox: str) -> None:
    script = "mv /v/once /v/again && exit 4; [ -e /v/again ] || exit 4; exec sleep 1000"
    identity = waiting(box, busybox, "--restart", "always", "--volume", "v:/v", script=script)
    monitor = int(told(box, identity, "{{.State.ConmonPid}}"))
    os.kill(monitor, signal.SIGKILL)
    eventually(lambda: state(box, identity) == "exited")
    assert told(box, identity, "{{.State.ExitCode}}") == "4"
    box.run("run", "--rm", "--volume", "v:/v", busybox, "touch", "/v/once")
    box.run("start", identity)
    eventually(lambda: restarts(box, identity) == 1)


@pytest.mark.parametrize("moment", range(int(os.environ.get("POD_TEST_RESTART_KILLS", "2"))))
def test_monitor_killed_at_any_moment_leaves_nothing(box: Pod, busybox: str, moment: int) -> None:
    identity = box.run("run", "-d", "--restart", "always", busybox, "sh", "-c", "exit 4").out
    time.sleep(0.1 + moment * 0.013)
    monitor = int(told(box, identity, "{{.State.ConmonPid}}"))
    if monitor:
        os.kill(monitor, signal.SIGKILL)
    box.run("rm", "-f", identity)


def test_stop_and_start_at_the_same_time(box: Pod, busybox: str) -> None:
    """Whatever comes first: after `stop` has returned, nothing starts but by `start`."""
    for _ in range(int(os.environ.get("POD_TEST_RESTART_RACES", "2"))):
        identity = box.run("run", "-d", "--restart", "always", busybox, "false").out
        stops = [box.start("stop", identity) for _ in range(3)]
        told = {stop.communicate(timeout=60)[1].partition(b" container ")[0] for stop in stops}
        assert told <= {b"", b"Warning: the first process of"}  # `false`, where it has yet to end
        count = restarts(box, identity)
        time.sleep(0.3)
        assert (state(box, identity), restarts(box, identity)) == ("exited", count)
        box.run("rm", identity)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("create --restart foo IMAGE", '"foo" is not a valid restart policy'),
        ("create --rm --restart always IMAGE", "the --rm option conflicts with --restart"),
        ("container relaunch c 99", "only the monitor of a container can start it again"),
    ],
)
def test_what_makes_no_sense(box: Pod, busybox: str, line: str, message: str) -> None:
    result = box.run(*line.replace("IMAGE", busybox).split(), check=False)
    assert (result.code, message in result.stderr) == (125, True), result
    assert box.run("ps", "-aq").out == ""


def test_what_the_monitor_mounts_does_not_pile_up(box: Pod, busybox: str) -> None:
    box.run("volume", "create", "--opt", "type=tmpfs", "--opt", "device=tmpfs", "t")
    mounts = ["-v", "t:/t", "-v", "over:/o:O"]
    identity = box.run("run", "-d", "--restart", "always", *mounts, busybox, "sh", "-c", "sleep 0.1; exit 1").out
    monitor = int(told(box, identity, "{{.State.ConmonPid}}"))

    def count() -> int:
        with open(f"/proc/{monitor}/mountinfo") as file:
            return sum(box.directory in line for line in file)

    few = [count()]
    while max(few) < 3 or restarts(box, identity) < 2:  # its root, the tmpfs, the overlay
        few.append(count())
    eventually(lambda: restarts(box, identity) >= 6)
    eventually(lambda: count() <= max(few))
    box.run("rm", "-f", "-t0", identity)


def test_what_starts_when_the_machine_does(box: Pod, busybox: str) -> None:
    def chosen(*options: str) -> set[str]:
        return set(box.run("ps", "-a", "--format", "{{.Names}}", *options).out.split())

    for name, policy in (("a", "always"), ("b", "always"), ("u", "unless-stopped"), ("f", "on-failure"), ("n", "no")):
        box.run("create", "--name", name, f"--restart={policy}", "--stop-timeout=0", busybox, "sleep", "1000")
    on_boot = "should-start-on-boot=true"
    assert chosen("--filter", on_boot) == {"a", "b", "u"}
    box.run("start", "--all", "--filter", "restart-policy=always")
    assert chosen("--filter", "status=running") == {"a", "b"}
    box.run("start", "--filter", on_boot)
    assert chosen("--filter", "status=running") == {"a", "b", "u"}
    # A unit of systemd that stops them at shutdown is not the user, whom `unless-stopped` means.
    unit = {"PODMAN_SYSTEMD_UNIT": "pod-restart.service"}
    box.run("stop", "--all", "--filter", on_boot, env=unit)
    assert chosen("--filter", "status=running") == set()
    assert chosen("--filter", on_boot) == {"a", "b", "u"}
    box.run("start", "--all", "--filter", on_boot, env=unit)
    box.run("stop", "a", "u")
    assert chosen("--filter", on_boot) == {"a", "b"}
    box.run("start", "u")
    box.run("kill", "u")
    assert chosen("--filter", on_boot) == {"a", "b"}
    assert chosen("--filter", "should-start-on-boot=false") == {"u", "f", "n"}
