"""Health checks: transitions, actions, limits, and that a probe is what the container's own process is."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from runtime import steps
from tests.fixtures.command import Pod
from tests.fixtures.monitor import eventually, has_settled


def health(box: Pod, container: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(box.run("inspect", "--format", "{{json .State.Health}}", container).out)
    return found


def status(box: Pod, container: str) -> str:
    return str(health(box, container)["Status"])


def told(box: Pod, container: str, template: str) -> str:
    return box.run("inspect", "--format", template, container).out


def test_transitions(box: Pod, busybox: str) -> None:
    box.run(*"run -d --name c --health-cmd".split(), "echo looked; test -e /ok", *"--health-interval 200ms".split(),
            *"--health-retries 2".split(), busybox, "sleep", "100")  # fmt: skip
    eventually(lambda: status(box, "c") == "unhealthy")
    found = health(box, "c")
    assert found["FailingStreak"] >= 2
    assert found["Log"][0]["ExitCode"] == 1
    assert found["Log"][0]["Output"] == "looked\n"
    box.run("exec", "c", "touch", "/ok")
    eventually(lambda: status(box, "c") == "healthy")
    assert health(box, "c")["FailingStreak"] == 0
    assert "(healthy)" in box.run("ps").out
    events = ("events", "--stream=false", "--filter", "event=health_status", "--format", "{{.HealthStatus}}")
    eventually(lambda: box.run(*events).out.split() == ["unhealthy", "healthy"])


def test_run_by_hand(box: Pod, busybox: str) -> None:
    box.run(*"run -d --name c --health-interval disable --health-cmd".split(), '["test", "-e", "/ok"]', busybox,
            "sleep", "100")  # fmt: skip
    time.sleep(0.3)
    failed = box.run("healthcheck", "run", "c", check=False)
    assert (failed.code, failed.out) == (1, "unhealthy")
    assert box.run("healthcheck", "run", "--ignore-result", "c").code == 0
    box.run("exec", "c", "touch", "/ok")
    assert box.run("healthcheck", "run", "c").out == ""
    assert told(box, "c", "{{json .Config.Healthcheck.Test}}") == '["CMD","test","-e","/ok"]'


def test_a_check_by_hand_alone_leaves_the_monitor_at_work(box: Pod, busybox: str) -> None:
    """The next check is due in 35,000 years, for which poll(2) cannot wait; nothing of the output was logged then."""
    box.run(*"run -d --name c --health-interval disable --health-cmd".split(), '["test", "-e", "/ok"]', busybox,
            "sh", "-c", "sleep 2; echo late; exec sleep 100")  # fmt: skip
    eventually(lambda: box.run("logs", "c").out == "late")
    assert box.run("healthcheck", "run", "c", check=False).code == 1


def test_output_between_checks_belongs_to_none(box: Pod, busybox: str) -> None:
    """What a probe leaves behind may write for ever: neither does that stop the checks, nor is it taken for theirs."""
    flood = "test -e /once && exit 0; touch /once; echo said; yes & exit 1"
    options = "--health-interval 300ms --health-retries 1 --health-max-log-count 0".split()
    box.run("run", "-d", "--name", "c", *options, "--health-cmd", flood, busybox, "sleep", "100")
    eventually(lambda: status(box, "c") == "healthy")
    eventually(lambda: len(health(box, "c")["Log"]) >= 4)
    assert health(box, "c")["Log"][0]["Output"].startswith("said\n")


@pytest.mark.parametrize("denied", ["", "clone3"])
def test_probe_is_as_confined_as_exec(box: Pod, busybox: str, denied: str) -> None:
    """Also where its filter lets the program not do what that does each time, so that each probe loads it."""
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": [denied], "action": "SCMP_ACT_ERRNO"}]}
    Path(box.home, "profile").write_text(json.dumps(profile))
    options = ["--security-opt", f"seccomp={box.home}/profile"] if denied else []
    show = "id; pwd; umask; env | sort; cat /proc/self/cgroup"
    show += "; grep -E '^(Cap|NoNew|Seccomp|Groups|Uid|Sig[BIC])' /proc/self/status; cat /proc/self/timerslack_ns"
    show += "; ulimit -n; ulimit -c; ls /proc/self/fd | tr '\\n' ' '; readlink /proc/$$/exe"
    box.run(*"run -d --name c --user 7:8 --group-add 9 --workdir /tmp --cap-add NET_RAW --ulimit core=77:88".split(),
            *"--env A=b --security-opt no-new-privileges --health-max-log-size 0 --health-interval 100s".split(),
            "--health-cmd", show, *options, busybox, "sleep", "100")  # fmt: skip
    eventually(lambda: health(box, "c")["Log"])
    entry = health(box, "c")["Log"][0]
    assert entry["ExitCode"] == 0
    executed = box.run("exec", "c", "/bin/sh", "-c", show).stdout
    assert entry["Output"].splitlines() == executed.splitlines()


def test_program_that_probes_is_not_among_the_containers_processes(box: Pod, busybox: str) -> None:
    box.run(*"run -d --name c --health-interval 200ms --health-cmd true".split(), busybox, "sleep", "100")
    eventually(lambda: status(box, "c") == "healthy")
    monitor = told(box, "c", "{{.State.ConmonPid}}")
    prober = prober_of(monitor)
    first = told(box, "c", "{{.State.Pid}}")
    mine, its = ({*Path(f"/proc/{pid}/cgroup").read_text().splitlines()} for pid in (prober, first))
    shared = {line.split(":")[1] for line in mine & its}
    assert not shared & {"freezer", "pids", "name=systemd", "memory"} or box.rootless
    box.run("kill", "c")
    assert box.run("wait", "c").out == "137"


def test_probes_program_is_not_there(box: Pod, busybox: str) -> None:
    box.run(*"run -d --name c --health-retries 1 --health-cmd".split(), '["nowhere"]', busybox, "sleep", "100")
    eventually(lambda: status(box, "c") == "unhealthy")
    entry = health(box, "c")["Log"][0]
    assert (entry["ExitCode"], entry["Output"]) == (127, "exec: nowhere: executable file not found\n")


def test_probe_that_heeds_no_signal_ends_with_its_time(box: Pod, busybox: str) -> None:
    command = "trap '' TERM INT; sleep 77 & sleep 77"
    box.run(*"run -d --name c --health-retries 1 --health-interval 60s --health-timeout 1s --health-cmd".split(),
            command, busybox, "sleep", "100")  # fmt: skip
    eventually(lambda: status(box, "c") == "unhealthy")
    entry = health(box, "c")["Log"][0]
    assert entry["ExitCode"] == -1
    assert "exceeded timeout" in entry["Output"]
    assert "sleep 77" not in box.run("exec", "c", "ps").out


def test_hostile_output_is_bounded(box: Pod, busybox: str) -> None:
    size = os.environ.get("POD_TEST_HEALTH_OUTPUT", "20")
    box.run(*"run -d --name c --health-interval 60s --health-max-log-size 20 --health-max-log-count 2".split(),
            "--health-cmd", f"head -c {size}000000 /dev/zero | tr '\\0' '\"'", busybox, "sleep", "100")  # fmt: skip
    eventually(lambda: health(box, "c")["Log"])
    assert health(box, "c")["Log"][0]["Output"] == '"' * 20
    for _ in range(3):
        box.run("healthcheck", "run", "c")
    assert len(health(box, "c")["Log"]) == 2
    monitor = told(box, "c", "{{.State.ConmonPid}}")
    rss = next(line for line in Path(f"/proc/{monitor}/status").read_text().splitlines() if line.startswith("VmRSS"))
    assert int(rss.split()[1]) < 30_000


@pytest.mark.parametrize(("action", "state"), [("kill", "exited 137"), ("stop", "exited 5")])
def test_action_on_failure(box: Pod, busybox: str, action: str, state: str) -> None:
    script = "trap 'exit 5' TERM; while :; do sleep 0.05; done"
    box.run("run", "-d", "--name", "c", "--health-on-failure", action, "--health-retries", "2", "--health-interval",
            "200ms", "--health-cmd", "false", busybox, "sh", "-c", script)  # fmt: skip
    eventually(lambda: told(box, "c", "{{.State.Status}} {{.State.ExitCode}}") == state)
    assert status(box, "c") == "unhealthy"


def test_restart_on_failure(box: Pod, busybox: str) -> None:
    script = "echo run >> /runs; trap 'exit 0' TERM; while :; do sleep 0.05; done"
    box.run(*"run -d --name c --health-on-failure restart --health-retries 1 --health-interval 200ms".split(),
            "--health-cmd", "test $(wc -l < /runs) -ge 2", busybox, "sh", "-c", script)  # fmt: skip
    eventually(lambda: box.run("exec", "c", "cat", "/runs", check=False).out.split() == ["run", "run"])
    eventually(lambda: status(box, "c") == "healthy")
    assert told(box, "c", "{{.RestartCount}}") == "0"


def test_startup_check_comes_first(box: Pod, busybox: str) -> None:
    box.run(*"run -d --name c --health-cmd".split(), "echo normal", *"--health-interval 200ms".split(),
            "--health-startup-cmd", "echo startup; test -e /up", *"--health-startup-interval 200ms".split(),
            *"--health-startup-success 2 --health-startup-retries 0 --health-startup-timeout 5s".split(),
            *"--health-start-period 1s".split(), busybox, "sleep", "100")  # fmt: skip
    eventually(lambda: health(box, "c")["Log"])
    assert status(box, "c") == "starting"
    assert health(box, "c")["Log"][-1]["Output"] == "startup\n"
    box.run("exec", "c", "touch", "/up")
    eventually(lambda: status(box, "c") == "healthy")
    assert health(box, "c")["Log"][-1]["Output"] == "normal\n"
    assert told(box, "c", "{{.Config.StartupHealthCheck.Successes}}") == "2"


def test_startup_that_never_comes_is_started_again(box: Pod, busybox: str) -> None:
    box.run(*"run -d --name c --health-cmd true --health-startup-cmd false --health-startup-interval 200ms".split(),
            *"--health-startup-retries 2 --stop-timeout 0".split(), busybox, "sh", "-c",
            "echo run >> /runs; sleep 100")  # fmt: skip
    eventually(lambda: len(box.run("exec", "c", "cat", "/runs", check=False).out.split()) >= 2)


def test_paused_container_is_not_probed(box: Pod, busybox: str) -> None:
    if box.rootless:
        pytest.skip("no control groups to pause by")
    box.run(*"run -d --name c --health-interval 200ms --health-cmd true".split(), busybox, "sleep", "100")
    eventually(lambda: status(box, "c") == "healthy")
    box.run("pause", "c")
    time.sleep(1)  # what was under way may still be written down
    before = health(box, "c")["Log"][-1]["Start"]
    time.sleep(0.8)
    assert health(box, "c")["Log"][-1]["Start"] == before
    box.run("unpause", "c")
    eventually(lambda: health(box, "c")["Log"][-1]["Start"] != before)


def test_what_a_killed_pause_has_left_stops_no_check(box: Pod, busybox: str) -> None:
    """Such a file says that the container may be paused; the kernel's, which it names, that it is not."""
    box.run(*"run -d --name c --health-interval 200ms --health-cmd true".split(), busybox, "sleep", "100")
    eventually(lambda: status(box, "c") == "healthy")
    [monitor] = Path(box.directory, "runroot").glob("containers/*/monitor")
    (monitor.parent / "paused").write_text("/proc/sys/kernel/ostype FROZEN\n")
    before = health(box, "c")["Log"][-1]["Start"]
    eventually(lambda: all(entry["Start"] > before for entry in health(box, "c")["Log"]))
    (monitor.parent / "paused").unlink()


def test_log_elsewhere(box: Pod, busybox: str) -> None:
    place = Path(box.home) / "checks"
    place.mkdir()
    os.chown(place, box.user.uid, box.user.gid)
    box.run(*"run -d --name c --health-cmd true --health-log-destination".split(), str(place), busybox, "sleep", "100")
    eventually(lambda: status(box, "c") == "healthy")
    assert [path.name.endswith("-healthcheck.log") for path in place.iterdir()] == [True]
    assert (
        box.run("run", "--health-cmd", "true", "--health-log-destination", "/nowhere", busybox, check=False).code == 125
    )


def test_monitor_sleeps_over_good_news_that_is_told_all_the_same(box: Pod, busybox: str) -> None:
    """Output and failures it hears of at once; what it has slept over is in the log, once and in order, to the end."""
    probe = "test ! -e /bad; status=$?; cat /said 2>/dev/null; exit $status"
    options = "--health-interval 100ms --health-retries 1 --health-max-log-count 20".split()
    box.run("run", "-d", "--name", "c", *options, "--health-cmd", probe, busybox, "sleep", "100")
    eventually(lambda: len(health(box, "c")["Log"]) >= 4)
    monitor = told(box, "c", "{{.State.ConmonPid}}")
    eventually(lambda: has_settled(int(monitor)))
    before, woken = health(box, "c")["Log"], _wakings(monitor)
    eventually(lambda: len(_newer(health(box, "c")["Log"], before)) >= 12)
    # At the 32nd, if that was among them, and by a clock that says so.
    assert _wakings(monitor) - woken <= len(_newer(health(box, "c")["Log"], before)) // 3
    for change, code, said, state in (
        ("echo hello > /said", 0, "hello\n", "healthy"),
        ("rm /said", 0, "", "healthy"),
        ("touch /bad", 1, "", "unhealthy"),
        ("rm /bad", 0, "", "healthy"),
    ):
        box.run("exec", "c", "sh", "-c", change)
        last = (code, said, state)
        eventually(lambda last=last: _outcome(health(box, "c")) == last)  # type: ignore[misc]
    before = health(box, "c")["Log"]
    eventually(lambda: len(_newer(health(box, "c")["Log"], before)) >= 3)
    before = health(box, "c")["Log"]
    box.run("stop", "--time", "0", "c")
    after = health(box, "c")["Log"]
    newer = _newer(after, before)
    assert len(newer) == len(after) or after[-len(newer) - 1] == before[-1]  # the log holds no more than it is to
    assert after == sorted(after, key=lambda entry: str(entry["Start"]))
    assert len({entry["Start"] for entry in after}) == len(after) == 20


def prober_of(monitor: str) -> str:
    """Return the process that a monitor has to look after health, as soon as it bears its name."""
    found: list[str] = []

    def look() -> list[str]:
        for pid in Path(f"/proc/{monitor}/task/{monitor}/children").read_text().split():
            with contextlib.suppress(OSError):  # a probe that has ended
                if Path(f"/proc/{pid}/comm").read_text() == "pod-health\n":
                    found.append(pid)
        return found

    eventually(look)
    return found[0]


def _newer(log: list[dict[str, Any]], before: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [entry for entry in log if entry["Start"] > before[-1]["Start"]]


def _outcome(found: dict[str, Any]) -> tuple[int, str, str]:
    last = found["Log"][-1]
    return last["ExitCode"], last["Output"], found["Status"]


def _wakings(pid: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))


def test_killed_monitor_leaves_no_prober(box: Pod, busybox: str) -> None:
    box.run(*"run -d --name c --health-interval 200ms --health-cmd true".split(), busybox, "sleep", "100")
    eventually(lambda: status(box, "c") == "healthy")
    monitor = told(box, "c", "{{.State.ConmonPid}}")
    prober = prober_of(monitor)
    os.kill(int(monitor), signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{prober}").exists())


def test_no_healthcheck(box: Pod, busybox: str) -> None:
    box.run(*"run -d --name c --no-healthcheck".split(), busybox, "sleep", "100")
    refused = box.run("healthcheck", "run", "c", check=False)
    assert (refused.code, "has no defined healthcheck" in refused.stderr) == (125, True)
    box.run(*"create --name d --health-cmd true".split(), busybox, "sleep", "100")
    assert "is not running" in box.run("healthcheck", "run", "d", check=False).stderr


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--health-cmd true --no-healthcheck", "cannot specify both --no-healthcheck and --health-cmd"),
        ("--healthcheck-interval foo --health-cmd true", 'invalid healthcheck-interval: time: invalid duration "foo"'),
        ("--health-interval 5x --health-cmd true", 'healthcheck-interval: time: unknown unit "x" in duration "5x"'),
        ("--health-interval 5 --health-cmd true", 'healthcheck-interval: time: missing unit in duration "5"'),
        ("--healthcheck-retries 0 --health-cmd true", "healthcheck-retries must be greater than 0"),
        ("--healthcheck-timeout 0s --health-cmd true", "healthcheck-timeout must be at least 1 second"),
        ("--health-on-failure foo --health-cmd true", 'invalid on-failure action "foo" for health check'),
        ("--health-on-failure kill", "cannot set on-failure action to kill without a health check"),
        ("--healthcheck-start-period x --health-cmd true", 'healthcheck-start-period: time: invalid duration "x"'),
        ("--health-startup-cmd true", "cannot set a startup healthcheck when there is no regular healthcheck"),
        ("--sdnotify foo", 'invalid sdnotify value "foo"'),
        ("--sdnotify healthy", "sdnotify policy healthy requires a healthcheck"),
    ],
)
def test_what_makes_no_sense(box: Pod, busybox: str, line: str, message: str) -> None:
    result = box.run("create", *line.split(), busybox, check=False)
    assert (result.code, message in result.stderr) == (125, True), result
    assert box.run("ps", "-aq").out == ""


def test_timeout_kills(box: Pod, busybox: str) -> None:
    assert box.run("run", "--name", "c", "--timeout", "1", busybox, "sleep", "100", check=False).code == 255
    assert told(box, "c", "{{.Config.Timeout}} {{.State.ExitCode}}") == "1 255"
    assert box.run("run", "--timeout", "60", busybox, "sh", "-c", "exit 3", check=False).code == 3


@pytest.mark.parametrize("told_by", ["container", "conmon", "healthy", "ignore"])
def test_service_manager_is_told(box: Pod, busybox: str, told_by: str) -> None:
    path = os.path.join(box.home, "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        os.chmod(path, 0o777)
        manager.settimeout(0.8 if told_by == "ignore" else 60)
        script = 'echo "socket $NOTIFY_SOCKET"; sleep 100'
        box.run(*"run -d --name c --sdnotify".split(), told_by, "--health-cmd", "test -e /ok", "--health-interval",
                "200ms", busybox, "sh", "-c", script, env={"NOTIFY_SOCKET": path})  # fmt: skip
        eventually(lambda: "socket" in box.run("logs", "c").out)
        inside = box.run("logs", "c").out.removeprefix("socket").strip()
        assert bool(inside) == (told_by == "container")
        main = b"MAINPID=" + told(box, "c", "{{.State.ConmonPid}}").encode()
        if told_by != "ignore":
            assert manager.recv(1000) == main
        if told_by in ("ignore", "healthy"):
            manager.settimeout(0.5)
            with pytest.raises(TimeoutError):
                manager.recv(1000)
            manager.settimeout(60)
        if told_by == "ignore":
            return
        if told_by == "healthy":
            box.run("exec", "c", "touch", "/ok")
        if told_by == "container":
            pid = told(box, "c", "{{.State.Pid}}")
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"READY=1\nSTATUS=up\nWATCHDOG=1\nBAD=1", f"/proc/{pid}/root{inside}")
        lines = manager.recv(1000).split(b"\n")
        assert b"READY=1" in lines
        assert main in lines
        assert (b"STATUS=up" in lines, b"WATCHDOG=1" in lines) == (told_by == "container",) * 2
        assert b"BAD=1" not in lines


@pytest.mark.parametrize(
    ("machine", "source"), [("x86_64", steps.X86_64_ASSEMBLY), ("aarch64", steps.AARCH64_ASSEMBLY)]
)
def test_code_is_its_assembly(workplace: str, machine: str, source: str) -> None:
    path = Path(workplace) / f"steps.{machine}"
    path.with_suffix(".s").write_text(source)
    source_file, object_file, binary = (str(path.with_suffix(suffix)) for suffix in (".s", ".o", ".bin"))
    try:
        subprocess.run([f"{machine}-linux-gnu-as", source_file, "-o", object_file], check=True)
    except FileNotFoundError:
        pytest.skip(f"{machine}-linux-gnu-as is not installed")
    copy = [f"{machine}-linux-gnu-objcopy", "-O", "binary", "-j", ".text", object_file, binary]
    subprocess.run(copy, check=True)
    assert path.with_suffix(".bin").read_bytes() == steps.CODE[machine][1]


def test_wait_until_healthy_and_unhealthy(box: Pod, busybox: str) -> None:
    """A health-gated start: `pod wait --condition=healthy` returns once the program says that it is ready."""
    check = ("--health-cmd", "test -e /ready", "--health-interval", "200ms", "--health-retries", "1")
    box.run("run", "--detach", "--name", "one", *check, busybox, "sh", "-c", "sleep 0.6; touch /ready; sleep 600")
    box.run("wait", "--condition", "healthy", "--interval", "50ms", "one")
    assert box.run("inspect", "--format", "{{.State.Health.Status}}", "one").out == "healthy"
    box.run("exec", "one", "rm", "/ready")
    box.run("wait", "--condition=unhealthy", "--interval=50ms", "one")
    assert box.run("ps", "--filter", "health=unhealthy", "--format", "{{.Names}}").out == "one"
