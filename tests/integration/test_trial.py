"""What came out when pod was tried as podman and docker are used, each mended since."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pexpect
import pytest

from tests.fixtures.command import Pod
from tests.fixtures.monitor import eventually


def inside(box: Pod, image: str, script: str, *options: str) -> str:
    """Run a shell script in a container of its own and return what it prints."""
    return box.run("run", "--rm", *options, image, "sh", "-c", script).out


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--tmpfs", "/new"), "1777 0"),
        (("--tmpfs", "/new:mode=700,uid=5"), "700 5"),
        (("--mount", "type=tmpfs,target=/new,tmpfs-mode=1770"), "1770 0"),
    ],
)
def test_owner_and_mode_of_a_tmpfs(box: Pod, busybox: str, options: tuple[str, ...], expected: str) -> None:
    assert inside(box, busybox, "stat -c '%a %u' /new", *options) == expected


def test_given_mode_of_a_tmpfs_over_a_directory_of_the_image(box: Pod, busybox: str) -> None:
    assert inside(box, busybox, "ls /etc/passwd && stat -c %a /etc", "--tmpfs", "/etc:mode=711") == "/etc/passwd\n711"


def test_tmpfs_of_a_container_that_starts_again(box: Pod, busybox: str) -> None:
    box.run("create", "--name", "again", "--tmpfs", "/new", busybox, "stat", "-c", "%a", "/new")
    assert [box.run("start", "--attach", "again").out for _ in range(2)] == ["1777", "1777"]


def test_labels_in_a_template_of_ps(box: Pod, busybox: str) -> None:
    box.run("create", "--label", "b=c", "--label", "a", busybox)
    assert box.run("ps", "--all", "--format", "{{.Labels}}").out == "map[a: b:c]"


def test_empty_working_directory_is_the_images(box: Pod, busybox: str) -> None:
    assert inside(box, busybox, "pwd", "--workdir", "") == "/"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--hostname", "n" * 65), "longer than 64 bytes"),
        (("--annotation", "x"), "annotations must be formatted KEY=VALUE"),
    ],
)
def test_nonsense_is_refused(box: Pod, busybox: str, options: tuple[str, ...], told: str) -> None:
    result = box.run("run", "--rm", *options, busybox, "true", check=False)
    assert (result.code, told in result.stderr) == (125, True)


def test_environment_that_the_kernel_refuses(box: Pod, busybox: str) -> None:
    path = os.path.join(box.directory, "env")
    with open(path, "w", encoding="ascii") as file:
        file.write("BIG=" + "x" * 1_000_000)
    result = box.run("run", "--rm", "--env-file", path, busybox, "true", check=False)
    assert result.code != 0
    assert "Argument list too long" in result.stderr
    assert "`3`" not in result.stderr


def test_exec_in_a_missing_directory(box: Pod, busybox: str) -> None:
    box.run("run", "--detach", "--name", "here", busybox, "sleep", "100")
    assert box.run("exec", "--workdir", "/missing", "here", "true", check=False).code == 127
    assert box.run("exec", "--workdir", "/etc/passwd", "here", "true", check=False).code == 126
    box.run("rm", "--force", "--time", "0", "here")


def test_reader_that_leaves_early(box: Pod, busybox: str) -> None:
    with box.start("run", "--rm", busybox, "sh", "-c", "seq 100000; true", stderr=subprocess.DEVNULL) as command:
        assert command.stdout is not None
        command.stdout.readline()
        command.stdout.close()
        assert command.wait(timeout=60) == 141


def test_signals_reach_a_container_with_a_terminal(box: Pod, busybox: str) -> None:
    script = "trap 'exit 3' TERM; echo ready; while :; do sleep 0.1; done"
    with box.start("run", "--rm", "--tty", busybox, "sh", "-c", script, stderr=subprocess.DEVNULL) as command:
        assert command.stdout is not None
        command.stdout.readline()
        command.send_signal(signal.SIGTERM)
        assert command.wait(timeout=60) == 3
    console = box.spawn("run", "--rm", "--interactive", "--tty", busybox, "sh", "-c", script)
    console.expect("ready")
    console.kill(signal.SIGTERM)
    console.expect(pexpect.EOF)
    console.close()
    assert console.exitstatus == 3


@pytest.mark.parametrize("limit", ["nofile=5", "data=1000000", "fsize=0"])
def test_limits_are_the_containers_only(box: Pod, busybox: str, limit: str) -> None:
    name = box.run("run", "--detach", "--ulimit", limit, busybox, "sleep", "100").out
    assert box.run("exec", name, "echo", "fine").out == "fine"
    box.run("rm", "--force", "--time", "0", name)


def test_mounts_in_inspect(box: Pod, busybox: str) -> None:
    box.run("create", "--name", "seen", "--volume", "/:/host:ro", "--tmpfs", "/new", busybox)
    assert box.run("inspect", "--format", "{{.HostConfig.Binds}}", "seen").out == "[/:/host:ro,rprivate,rbind]"
    [mount] = json.loads(box.run("inspect", "--format", "{{json .Mounts}}", "seen").out)
    assert (mount["RW"], mount["Options"], mount["Propagation"]) == (False, ["rbind"], "rprivate")


def test_several_stop_together(box: Pod, busybox: str) -> None:
    """Each of four ends only when all have been asked to."""
    hear = "touch /v/$0; until [ $(ls /v | wc -l) = 4 ]; do sleep 0.1; done; exit 5"
    words = ("run", "--detach", "--volume", "v:/v", busybox, "sh", "-c")
    script = f"trap '{hear}' TERM; echo ready; while :; do sleep 0.1; done"
    names = [box.run(*words, script, str(number)).out for number in range(4)]
    eventually(lambda: [box.run("logs", name).out for name in names] == ["ready"] * 4)
    result = box.run("stop", "--time", "50", names[0], "missing", *names, check=False)
    assert (result.out, result.code) == ("", 125)  # all are looked up before one is stopped, as by podman
    result = box.run("stop", "--ignore", "--time", "50", names[0], "missing", *names)
    assert result.out.split() == [names[0], *names]
    assert box.run("inspect", "--format", "{{.State.ExitCode}}", *names).out.split() == ["5"] * 4
    assert box.run("ps", "--quiet").out == ""


def test_endless_timeout(box: Pod, busybox: str) -> None:
    script = "trap 'exit 3' TERM; echo ready; sleep 999 & wait"
    name = box.run("run", "--detach", "--stop-timeout", "9" * 15, busybox, "sh", "-c", script).out
    eventually(lambda: box.run("logs", name).out.split() == ["ready"])
    box.run("stop", name)
    box.run("start", name)
    eventually(lambda: box.run("logs", name).out.split() == ["ready"] * 2)
    box.run("stop", "--time", "9" * 15, name)
    assert box.run("wait", name).out == "3"


def test_exec_that_ends_at_once(box: Pod, busybox: str) -> None:
    name = box.run("run", "--detach", busybox, "sleep", "1000").out
    assert [box.run("exec", name, "sh", "-c", "exit 4", check=False).code for _ in range(40)] == [4] * 40
    box.run("rm", "--force", "--time", "0", name)


def test_a_reader_that_leaves_takes_a_container_that_is_to_go_with_it(box: Pod, busybox: str) -> None:
    """As podman does with --rm: else `run --rm IMAGE yes | head -1` would run for ever."""
    for words in (["yes"], ["sh", "-c", "trap 'exit 0' TERM; while :; do echo y; done"]):
        with box.start("run", "--rm", "--name", "endless", busybox, *words, stderr=subprocess.DEVNULL) as command:
            assert command.stdout is not None
            command.stdout.readline()
            command.stdout.close()
            assert command.wait(timeout=60) == 141
        assert box.run("ps", "--all", "--quiet").stdout == ""
    with box.start("run", "--name", "kept", busybox, "yes", stderr=subprocess.DEVNULL) as command:
        assert command.stdout is not None
        command.stdout.readline()
        command.stdout.close()
        assert command.wait(timeout=60) == 141
    assert box.run("ps", "--format", "{{.Names}}").stdout == "kept\n"
    box.run("rm", "--force", "--time", "0", "kept")


def test_inspect_tells_the_variables_that_the_program_has(box: Pod, busybox: str) -> None:
    box.run("create", "--name", "told", "--hostname", "h", "--env", "A=1", "--unsetenv", "container", busybox, "true")
    shown = box.run("inspect", "--format", "{{range .Config.Env}}{{.}} {{end}}", "told").stdout.split()
    assert sorted(shown) == ["A=1", "HOSTNAME=h", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    box.run("rm", "told")


def test_an_empty_name_is_refused(box: Pod) -> None:
    for words in ("rm", "stop", "start", "logs", "inspect", "rm --force", "kill"):
        result = box.run(*words.split(), "", check=False)
        assert (result.code, result.stderr) == (125, "Error: name or ID cannot be empty\n"), words


def test_the_help_shows_no_command_of_ours_only(box: Pod) -> None:
    assert "relaunch" not in box.run("container", "--help").stdout


def test_inspect_prints_times_as_podman_does(box: Pod, busybox: str) -> None:
    box.run("create", "--name", "timed", busybox, "true")
    written = box.run("inspect", "--format", "{{json .Created}}", "timed").stdout
    shown = box.run("inspect", "--format", "{{.Created}}", "timed").stdout
    assert shown == written.strip('"\n').replace("T", " ").replace("Z", " +0000 UTC\n")
    assert box.run("inspect", "--format", "{{.State.StartedAt.IsZero}}", "timed").stdout == "true\n"
    box.run("rm", "timed")
