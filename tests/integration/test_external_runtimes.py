"""`pod --runtime`: everything that a container does, by runc, crun, and our own runtime as a program."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
from collections.abc import Callable

import pexpect
import pytest

from tests.fixtures.command import Pod
from tests.fixtures.external import NAMES, External, external, script


@pytest.fixture(params=NAMES)
def other(box: Pod, request: pytest.FixtureRequest) -> External:
    return external(box, request.param)


def sh(text: str) -> list[str]:
    return ["sh", "-c", text]


def test_streams_and_exit_code(other: External, busybox: str) -> None:
    result = other.pod.run(*other.new("--rm", busybox, *sh("echo out; echo err >&2; exit 7")), check=False)
    assert (result.code, result.stdout, result.stderr) == (7, "out\n", "err\n")
    assert other.pod.run("ps", "-aq").out == ""


@pytest.mark.parametrize(
    ("words", "code"), [(["/no/such"], 127), (["none"], 127), (["/etc"], 126), (["/etc/passwd"], 126)]
)
def test_program_that_cannot_run(other: External, busybox: str, words: list[str], code: int) -> None:
    result = other.pod.run(*other.new("--rm", busybox, *words), check=False)
    assert (result.code, result.stdout) == (code, "")
    assert result.stderr.startswith(f"Error: {other.name}: ")
    other.pod.run(*other.new("-d", "--name", "c", busybox, "sleep", "1000"))
    assert other.pod.run("exec", "c", *words, check=False).code == code
    other.pod.run("rm", "-f", "-t", "0", "c")


def test_input_and_output_are_whole(other: External, busybox: str) -> None:
    data = os.urandom(1 << 20)
    result = other.pod.run(
        *other.new("--rm", "-i", busybox, *sh("cat | tee /copy | sha256sum; wc -c </copy")), input=data
    )
    assert result.out.split() == [hashlib.sha256(data).hexdigest(), "-", str(len(data))]


def test_terminal(other: External, busybox: str) -> None:
    shell = other.pod.spawn(*other.new("--rm", "-it", busybox, "sh"), rows=33, columns=111)
    shell.expect("# ")
    shell.sendline("tty; stty size; echo $((6 * 7))")
    shell.expect(r"/dev/pts/0\r\n33 111\r\n42\r\n")
    shell.sendline("exit 3")
    shell.expect(pexpect.EOF)
    shell.close()
    assert shell.exitstatus == 3


def test_exec(other: External, busybox: str) -> None:
    pod = other.pod
    pod.run(*other.new("-d", "--name", "c", "-e", "A=1", busybox, "sleep", "1000"))
    result = pod.run("exec", "-e", "B=2", "-w", "/tmp", "c", *sh("echo $A$B $PWD; echo err >&2; exit 9"), check=False)
    assert (result.code, result.stdout, result.stderr) == (9, "12 /tmp\n", "err\n")
    assert pod.run("exec", "-u", "1000:100", "c", *sh("echo $(id -u):$(id -g)")).out == "1000:100"
    assert pod.run("exec", "-i", "c", "cat", input="text").out == "text"
    assert pod.run("exec", "c", *sh("kill -9 $$"), check=False).code == 137
    shell = pod.spawn("exec", "-it", "c", "sh", rows=20, columns=70)
    shell.expect("# ")
    shell.sendline("stty size")
    shell.expect(r"20 70\r\n")
    shell.sendline("exit 4")
    shell.expect(pexpect.EOF)
    shell.close()
    assert shell.exitstatus == 4
    pod.run("exec", "-d", "c", *sh("echo $$ >/detached; sleep 1000"))
    wait_for(lambda: pod.run("exec", "c", "cat", "/detached", check=False).code == 0)
    pod.run("rm", "-f", "-t", "0", "c")
    assert not os.listdir(os.path.join(pod.runroot, "exec"))


def test_life(other: External, busybox: str) -> None:
    pod = other.pod
    text = "trap 'echo asked; exit 5' TERM; echo started; while :; do sleep 0.05; done"
    pod.run(*other.new("-d", "--name", "c", busybox, *sh(text)))
    wait_for(lambda: pod.run("logs", "c").out == "started")
    assert pod.run("ps", "--format", "{{.Names}} {{.State}}").out == "c running"
    pod.run("stop", "c")
    assert pod.run("wait", "c").out == "5"
    assert pod.run("logs", "c").out == "started\nasked"
    assert_nothing_noted(other)
    pod.run("start", "c")
    pod.run("kill", "-s", "KILL", "c")
    assert pod.run("wait", "c").out == "137"
    pod.run("start", "c")
    pod.run("rm", "-f", "-t", "0", "c")
    assert pod.run("ps", "-aq").out == ""
    assert_nothing_noted(other)


def test_options_reach_the_container(other: External, busybox: str) -> None:
    pod = other.pod
    pod.run("volume", "create", "v")
    source = os.path.join(pod.home, "shared")
    os.mkdir(source)
    os.chown(source, pod.user.uid, pod.user.gid)
    text = "echo $(id -u):$(id -g) $(pwd) $(hostname); echo kept >/v/file; echo out >/host/file; touch /x || echo ro"
    options = [
        "--user",
        "0:7",
        "-w",
        "/made",
        "--hostname",
        "web",
        "--read-only",
        "-v",
        "v:/v",
        "-v",
        f"{source}:/host",
    ]
    result = pod.run(*other.new("--rm", *options, busybox, *sh(text)))
    assert result.stdout == "0:7 /made web\nro\n"
    with open(os.path.join(source, "file")) as file:
        assert file.read() == "out\n"
    assert pod.run(*other.new("--rm", "-v", "v:/v", busybox, "cat", "/v/file")).out == "kept"
    status = sh("grep -E 'CapBnd|NoNewPrivs|Seccomp:' /proc/self/status")
    bounding, no_new, seccomp = pod.run(
        *other.new("--rm", "--cap-drop", "all", "--security-opt", "no-new-privileges", busybox, *status)
    ).stdout.splitlines()
    assert (int(bounding.split()[1], 16), no_new.split()[1], seccomp.split()[1]) == (0, "1", "2")
    assert pod.run(*other.new("--rm", "--privileged", busybox, "echo", "fine")).out == "fine"


def test_limits(other: External, busybox: str) -> None:
    if not other.has_limits:
        pytest.skip("no control groups with limits here")
    pod = other.pod
    text = "for f in memory/memory.limit_in_bytes memory.max pids/pids.max pids.max; do cat /sys/fs/cgroup/$f; done"
    shown = pod.run(*other.new("--rm", "-m", "64m", "--pids-limit", "50", busybox, *sh(f"({text}) 2>/dev/null; true")))
    assert shown.out.split() == [str(64 << 20), "50"]
    eat = "head -c 200m /dev/zero | tail"
    assert pod.run(*other.new("--name", "c", "-m", "32m", busybox, *sh(eat)), check=False).code == 137
    assert pod.run("inspect", "--format", "{{.State.OOMKilled}}", "c").out == "true"


def test_container_keeps_its_runtime(other: External, busybox: str) -> None:
    """Later commands take the one that it was created with, whatever `--runtime` says then."""
    pod = other.pod
    name, given = pod.options[-1], pod.options[:-2]
    pod.run(*other.new("-d", "--name", "c", busybox, "sleep", "1000"))
    assert pod.run("inspect", "--format", "{{.OCIRuntime}}", "c").out == name
    assert len(os.listdir(other.state())) == 1 or name.endswith("pod-runtime")
    for options in ([], ["--runtime", "/no/such"]):
        pod.options = given + options
        assert pod.run("exec", "c", "echo", "in").out == "in"
        pod.run("stop", "-t", "0", "c")
        pod.run("start", "c")
    pod.options = given
    pod.run(*other.new("-d", "--name", "own", busybox, "sleep", "1000"))
    pod.options = [*given, "--runtime", name]
    assert pod.run("inspect", "--format", "{{.OCIRuntime}}", "own").out == "pod-runtime"
    assert pod.run("exec", "own", "echo", "in").out == "in"
    pod.run("rm", "-f", "-t", "0", "c", "own")


def test_info(other: External) -> None:
    shown = json.loads(other.pod.run("info", "--format", "{{json .Host.OCIRuntime}}").out)
    assert (shown["name"], os.path.basename(shown["path"])) == (other.pod.options[-1], other.name)
    assert shown["version"].startswith(f"{other.name} version")


def test_containers_conf(box: Pod, busybox: str) -> None:
    calls = os.path.join(box.directory, "calls")
    path = script(box, "logging", f'echo "$@" >>{calls}; exec {box.command}-runtime "$@"')
    os.close(os.open(calls, os.O_CREAT, 0o666))
    os.chmod(calls, 0o666)
    conf = os.path.join(box.directory, "containers.conf")
    with open(conf, "w") as file:
        file.write(f'[engine]\nruntime = "mine"\n[engine.runtimes]\nmine = ["/no/such", "{path}"]\n')
    environment = {"CONTAINERS_CONF": conf}
    box.run("--runtime-flag", "debug", "run", "--name", "c", busybox, "true", env=environment)
    assert box.run("inspect", "--format", "{{.OCIRuntime}}", "c", env=environment).out == "mine"
    with open(calls) as file:
        lines = file.read().splitlines()
    verbs = [next(word for word in line.split() if word in ("create", "start", "delete")) for line in lines]
    assert verbs == ["create", "start", "delete"]
    assert all(line.startswith("--debug --root ") for line in lines)
    box.run("--runtime", "pod-runtime", "run", "--rm", busybox, "true", env=environment)
    with open(calls) as file:
        assert len(file.readlines()) == 3
    box.run("rm", "c")


def assert_nothing_noted(other: External) -> None:
    """Nothing may say that the runtime has anything of a container, once it has deleted that."""
    containers = os.path.join(other.pod.runroot, "containers")
    noted = [name for name in os.listdir(containers) if os.path.exists(os.path.join(containers, name, "runtime"))]
    assert not noted
    assert not [name for name in os.listdir(other.state()) if name != ".cache"]


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


@pytest.mark.parametrize("name", ["runc", "pod-runtime"])
def test_a_pause_does_not_meet_a_start(box: Pod, busybox: str, name: str) -> None:
    """A process that stands still cannot become its program, which the runtime's `start` would wait for."""
    if box.rootless:
        pytest.skip("an ordinary user has no freezer in cgroup v1")
    path = external(box, name).path
    go = f"{box.home}/go"
    waiting = f'case " $* " in *" start "*) until test -e {go}; do sleep 0.05; done;; esac'
    slow = script(box, "slow", f'{waiting}\nexec {path} "$@"')
    box.options += ["--runtime", slow]
    container = box.run("create", "--name", "c", busybox, "sleep", "1000").out
    starting = box.start("start", "c")
    wait_for(lambda: box.run("inspect", "--format", "{{.State.Status}}", "c").out == "running")
    pausing = box.start("pause", "c")
    with pytest.raises(subprocess.TimeoutExpired):
        pausing.wait(1)
    box.execute(["touch", go])
    for command in (starting, pausing):
        command.communicate(timeout=60)
        assert command.returncode == 0
    box.run("unpause", "c")
    assert box.run("exec", "c", "echo", container).out == container
    box.run("rm", "-f", "-t", "0", "c")
