"""A container from `run -d` to `rm`: ps, logs, exec, stop, kill, start, attach, wait, inspect."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import pytest

from tests.fixtures.command import Pod
from tests.fixtures.monitor import eventually

LOOP = "trap 'echo got TERM; exit 5' TERM; echo ready; while :; do sleep 0.05; done"
DEAF = "trap '' TERM; echo ready; while :; do sleep 0.05; done"


def detach(box: Pod, image: str, script: str, *options: str) -> str:
    """Start a container in the background, wait for its first line, and return its ID."""
    identity = box.run("run", "-d", *options, image, "sh", "-c", script).out
    wait_for_log(box, identity, "ready")
    return identity


def wait_for_log(box: Pod, container: str, text: str) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        logs = box.run("logs", container)
        if text in logs.stdout + logs.stderr:
            return logs.stdout
        time.sleep(0.05)
    raise AssertionError(f"{container} never printed {text!r}: {logs}")


def state(box: Pod, container: str) -> str:
    return box.run("inspect", "--format", "{{.State.Status}}", container).out


def test_ps(box: Pod, busybox: str) -> None:
    identity = detach(box, busybox, LOOP, "--name", "web")
    header, line = box.run("ps").stdout.splitlines()
    assert header.split() == ["CONTAINER", "ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
    assert line.startswith(f"{identity[:12]}  {busybox}")
    assert "Up" in line
    assert line.endswith("web")
    assert box.run("ps", "-q").out == identity[:12]
    assert box.run("ps", "--format", "{{.Names}} {{.Image}}").out == f"web {busybox}"
    listed = json.loads(box.run("ps", "--format", "json").stdout)
    assert [(one["Id"], one["Names"], one["State"]) for one in listed] == [(identity, ["web"], "running")]


def test_ps_filters(box: Pod, busybox: str) -> None:
    detach(box, busybox, LOOP, "--name", "up")
    box.run("run", "--name", "down", busybox, "false", check=False)
    assert box.run("ps", "--format", "{{.Names}}").out == "up"
    assert box.run("ps", "-a", "--filter", "status=exited", "--format", "{{.Names}}").out == "down"
    assert box.run("ps", "-a", "--filter", "exited=1", "--format", "{{.Names}}").out == "down"
    assert box.run("ps", "-a", "--filter", "name=u", "--format", "{{.Names}}").out == "up"


def test_stop_lets_the_program_end(box: Pod, busybox: str) -> None:
    detach(box, busybox, LOOP, "--name", "c")
    assert box.run("stop", "c").out == "c"
    assert state(box, "c") == "exited"
    assert box.run("inspect", "--format", "{{.State.ExitCode}}", "c").out == "5"
    assert box.run("logs", "c").stdout == "ready\ngot TERM\n"


def test_stop_kills_after_its_time(box: Pod, busybox: str) -> None:
    detach(box, busybox, DEAF, "--name", "c", "--stop-timeout", "600")
    begin = time.monotonic()
    box.run("stop", "--time", "1", "c")
    assert time.monotonic() - begin > 0.9
    assert box.run("inspect", "--format", "{{.State.ExitCode}}", "c").out == "137"


def test_stop_signal_of_the_container(box: Pod, busybox: str) -> None:
    script = "trap 'exit 9' USR1; echo ready; while :; do sleep 0.05; done"
    detach(box, busybox, script, "--name", "c", "--stop-signal", "SIGUSR1", "--stop-timeout", "20")
    box.run("stop", "c")
    assert box.run("inspect", "--format", "{{.State.ExitCode}}", "c").out == "9"


def test_stopping_twice_is_fine(box: Pod, busybox: str) -> None:
    detach(box, busybox, LOOP, "--name", "c")
    box.run("stop", "c")
    box.run("stop", "c")


def test_kill(box: Pod, busybox: str) -> None:
    detach(box, busybox, LOOP, "--name", "c")
    box.run("kill", "--signal", "TERM", "c")
    assert box.run("wait", "c").out == "5"
    assert box.run("kill", "c", check=False).code == 125


def test_wait_returns_when_the_container_ends(box: Pod, busybox: str) -> None:
    identity = box.run("run", "-d", busybox, "sh", "-c", "sleep 0.5; exit 4").out
    assert box.run("wait", identity[:12]).out == "4"
    assert box.run("wait", identity).out == "4"


def test_start_again(box: Pod, busybox: str) -> None:
    box.run("run", "--name", "c", busybox, "sh", "-c", "echo run >> /count; cat /count")
    assert box.run("start", "--attach", "c").out.split() == ["run", "run"]
    assert box.run("logs", "c").out.split() == ["run", "run", "run"]


def test_create_then_start(box: Pod, busybox: str) -> None:
    identity = box.run("create", "--name", "c", busybox, "sh", "-c", "echo once; exit 6").out
    assert len(identity) == 64
    assert state(box, "c") == "created"
    assert box.run("start", "c").out == "c"
    assert box.run("wait", "c").out == "6"
    assert box.run("logs", "c").out == "once"


def test_rm_of_a_running_container_needs_force(box: Pod, busybox: str) -> None:
    detach(box, busybox, LOOP, "--name", "c")
    refused = box.run("rm", "c", check=False)
    assert refused.code == 2
    assert refused.stderr.startswith("Error: ")
    assert box.run("rm", "--force", "--time", "0", "c").out == "c"
    assert box.run("ps", "-aq").out == ""


def test_rm_of_what_is_not_there(pod: Pod) -> None:
    result = pod.run("rm", "nothing", check=False)
    assert result.code == 1
    assert "no such container" in result.stderr
    assert pod.run("rm", "--force", "nothing", check=False).code == 0


@pytest.mark.parametrize("seconds", ["0", "0.3", "1.3"])
def test_rm_automatically_when_detached(box: Pod, busybox: str, seconds: str) -> None:
    """Nothing is left for a later command, whether the monitor is still a fork of ours when it ends or not."""
    box.run("run", "-d", "--rm", "-v", "/data", busybox, "sh", "-c", f"echo much > /data/file; exec sleep {seconds}")
    eventually(lambda: not files_of_containers(box))
    assert box.run("ps", "-aq").out == ""
    assert box.run("volume", "ls", "-q").out == ""


def test_rm_automatically_of_what_is_mounted_on_the_host(box: Pod, busybox: str) -> None:
    box.run("run", "-d", "--rm", "--name", "c", busybox, "sleep", "100")
    if not box.rootless:
        assert "bin" in os.listdir(box.run("mount", "c").out)
    # Nobody waits for it: it is for its monitor to remove it.
    os.kill(int(box.run("inspect", "--format", "{{.State.Pid}}", "c").out), signal.SIGKILL)
    eventually(lambda: not files_of_containers(box))


def files_of_containers(box: Pod) -> list[str]:
    """Return what there is of containers and their volumes, without any command that would sweep."""
    places = [f"{box.root}/containers", f"{box.root}/volumes", f"{box.runroot}/containers"]
    return [name for place in places for name in os.listdir(place)]


def test_exec(box: Pod, busybox: str) -> None:
    detach(box, busybox, LOOP, "--name", "c", "-e", "A=1")
    assert box.run("exec", "c", "sh", "-c", "echo $A; exit 3", check=False).code == 3
    assert box.run("exec", "-e", "B=2", "c", "sh", "-c", "echo $A$B").out == "12"
    assert box.run("exec", "-w", "/tmp", "-u", "1000", "c", "sh", "-c", "pwd; id -u").out.split() == ["/tmp", "1000"]
    assert box.run("exec", "-i", "c", "cat", input="through").out == "through"
    assert box.run("exec", "c", "cat", "/proc/1/comm").out == "sh"


def test_exec_sees_the_same_namespaces_and_limits(box: Pod, busybox: str) -> None:
    detach(box, busybox, LOOP, "--name", "c")
    script = (
        "for n in cgroup ipc mnt net pid uts user; do readlink /proc/$0/ns/$n; done; "
        "grep -E 'Cap|Secc|NoNew' /proc/$0/status"
    )
    own = box.run("exec", "c", "sh", "-c", script, "self").out
    assert own == box.run("exec", "c", "sh", "-c", script, "1").out


def test_exec_detached(box: Pod, busybox: str) -> None:
    detach(box, busybox, LOOP, "--name", "c")
    assert len(box.run("exec", "-d", "c", "sh", "-c", "sleep 0.2; echo done > /done").out) == 64
    eventually(lambda: box.run("exec", "c", "cat", "/done", check=False).out == "done")


def test_exec_errors(box: Pod, busybox: str) -> None:
    detach(box, busybox, LOOP, "--name", "c")
    assert box.run("exec", "c", "no-such-command", check=False).code == 127
    assert box.run("exec", "c", "/etc/not-executable", check=False).code == 126
    assert box.run("exec", "nothing", "true", check=False).code == 125
    box.run("stop", "c")
    assert (
        box.run("exec", "c", "true", check=False).code == 255 or box.run("exec", "c", "true", check=False).code == 125
    )


def test_many_execs_leave_nothing(box: Pod, busybox: str) -> None:
    detach(box, busybox, LOOP, "--name", "c")
    for number in range(20):
        assert box.run("exec", "c", "echo", str(number)).out == str(number)
    sessions = os.path.join(box.runroot, "exec")
    assert not os.path.isdir(sessions) or os.listdir(sessions) == []


def test_logs(box: Pod, busybox: str) -> None:
    box.run(
        "run",
        "--name",
        "c",
        busybox,
        "sh",
        "-c",
        "for i in 1 2 3; do echo err$i >&2; done; sleep 0.2; seq 3; printf end",
    )
    result = box.run("logs", "c")
    assert result.stdout == "1\n2\n3\nend"
    assert result.stderr == "err1\nerr2\nerr3\n"
    assert box.run("logs", "--tail", "1", "c").stdout == "end"
    line = box.run("logs", "--timestamps", "c").stdout.splitlines()[0]
    assert line.endswith(" 1")
    assert line[:2] == "20"
    assert box.run("logs", "--since", "1h", "c").stdout == result.stdout
    assert box.run("logs", "--until", "2001-01-01T00:00:00Z", "c").stdout == ""


def test_logs_follow(box: Pod, busybox: str) -> None:
    box.run("run", "-d", "--name", "c", busybox, "sh", "-c", "for i in 1 2 3 4; do echo $i; sleep 0.3; done")
    assert box.run("logs", "-f", "c").out.split() == ["1", "2", "3", "4"]


def test_log_driver_none(box: Pod, busybox: str) -> None:
    assert box.run("run", "--name", "c", "--log-driver", "none", busybox, "echo", "seen").out == "seen"
    assert box.run("logs", "c", check=False).stdout == ""


def test_attach(box: Pod, busybox: str) -> None:
    detach(box, busybox, "echo ready; read line; echo got $line; exit 8", "-i", "--name", "c")
    result = box.run("attach", "c", input="something\n", check=False)
    assert (result.code, result.out) == (8, "got something")


def test_signals_of_an_attached_command_reach_the_container(box: Pod, busybox: str) -> None:
    with box.start("run", "--name", "c", busybox, "sh", "-c", LOOP) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (5, b"got TERM\n")


def test_closed_output_does_not_stop_the_container(box: Pod, busybox: str) -> None:
    script = "echo ready; for i in 1 2 3; do sleep 0.2; echo $i; done"
    with box.start("run", "--name", "c", busybox, "sh", "-c", script) as reader:
        assert reader.stdout
        reader.stdout.readline()
        reader.stdout.close()
        reader.wait(timeout=60)
    wait_for_log(box, "c", "3")


def test_inspect(box: Pod, busybox: str) -> None:
    identity = detach(box, busybox, LOOP, "--name", "c", "-e", "A=1")
    found = json.loads(box.run("inspect", "c").stdout)[0]
    assert found["Id"] == identity
    assert found["Name"] == "c"
    assert found["State"]["Running"] is True
    assert found["State"]["Pid"] > 0
    assert found["ImageName"] == busybox
    assert "A=1" in found["Config"]["Env"]
    assert box.run("inspect", "--format", "{{.Name}} {{.State.Running}}", "c").out == "c true"


def test_a_killed_monitor_is_shown_truthfully(box: Pod, busybox: str) -> None:
    identity = detach(box, busybox, LOOP, "--name", "c")
    with open(os.path.join(box.runroot, "containers", identity, "monitor")) as file:
        os.kill(int(file.read().split()[0]), signal.SIGKILL)

    def is_told_alike() -> bool:
        shown = box.run("ps", "-a", "--format", "{{.Status}}").out
        pid = box.run("inspect", "--format", "{{.State.Pid}}", "c").out
        return shown.startswith("Up") == (pid != "0" and os.path.exists(f"/proc/{pid}"))

    eventually(is_told_alike)
    box.run("stop", "--time", "1", "c")
    assert state(box, "c") == "exited"
    box.run("rm", "c")


def test_a_container_killed_from_outside(box: Pod, busybox: str) -> None:
    detach(box, busybox, LOOP, "--name", "c")
    os.kill(int(box.run("inspect", "--format", "{{.State.Pid}}", "c").out), signal.SIGKILL)
    assert box.run("wait", "c").out == "137"


def test_volumes(pod: Pod) -> None:
    assert pod.run("volume", "create", "data").out == "data"
    found = json.loads(pod.run("volume", "inspect", "data").stdout)[0]
    assert (found["Name"], found["Driver"]) == ("data", "local")
    assert os.path.isdir(found["Mountpoint"])
    assert pod.run("volume", "ls").stdout.splitlines()[0].split() == ["DRIVER", "VOLUME", "NAME"]
    assert pod.run("volume", "rm", "data").out == "data"
    assert pod.run("volume", "rm", "data", check=False).code == 1


def test_a_volume_in_use_is_kept(box: Pod, busybox: str) -> None:
    box.run("create", "--name", "c", "-v", "data:/data", busybox)
    assert box.run("volume", "rm", "data", check=False).code == 2
    box.run("rm", "c")
    box.run("volume", "rm", "data")


def test_an_image_in_use_is_kept(box: Pod, busybox: str) -> None:
    box.run("create", "--name", "c", busybox)
    assert box.run("rmi", busybox, check=False).code == 2
    box.run("rm", "c")
    box.run("rmi", busybox)
    assert box.run("images", "-q").out == ""


def test_info_and_version(pod: Pod) -> None:
    info = json.loads(pod.run("info", "--format", "json").stdout)
    assert info["store"]["graphRoot"] == pod.root
    assert info["host"]["security"]["rootless"] is pod.rootless
    assert "Version:" in pod.run("version").stdout


def test_stdin_of_a_pipe_that_stays_open(box: Pod, busybox: str) -> None:
    with box.start("run", "--rm", "-i", busybox, "head", "-n", "1", stdin=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(b"one line\n")
        process.stdin.flush()
        # The program ends although its input does not.
        assert process.wait(timeout=60) == 0
        assert process.stdout.read() == b"one line\n"
