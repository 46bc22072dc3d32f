"""The command lines that podman (conmon), containerd (go-runc), CRI-O and docker send, word for word."""

from __future__ import annotations

import array
import itertools
import json
import os
import pty
import select
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fixtures.bundle import COMMAND, SOURCE, Runtime, configuration
from tests.fixtures.monitor import eventually
from tests.fixtures.user import current_user

_numbers = itertools.count()


@pytest.fixture
def runtime(workplace: str) -> Iterator[Runtime]:
    if os.getuid():
        pytest.skip("needs root")
    made = Runtime(f"{workplace}/callers{next(_numbers)}", current_user())
    yield made
    for name in made.leftovers():
        made("delete", "--force", name)


def call(runtime: Runtime, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command with nothing in its environment and no other word; output goes to a file, as a monitor's does."""
    options = {"stdin": subprocess.DEVNULL, "env": {}, "cwd": runtime.bundle, **options}
    with open(f"{runtime.directory}/output", "w+") as output:
        options.setdefault("stdout", output)
        done = subprocess.run([*COMMAND, *words], stderr=output, text=True, timeout=60, check=False, **options)
        output.seek(0)
        done.stderr = output.read()
    return done


def read(path: str) -> str:
    with open(path) as file:
        return file.read()


def await_status(runtime: Runtime, wanted: str) -> None:
    eventually(lambda: json.loads(runtime("state", "box").stdout)["status"] == wanted)


def test_conmon(runtime: Runtime) -> None:
    directory, root = runtime.directory, f"--root={runtime.state}"
    runtime.configure(configuration("sleep", "1234"))
    log = ["--log-format=json", "--log", f"{directory}/oci-log"]
    files = ["--bundle", runtime.bundle, "--pid-file", f"{directory}/pidfile"]
    done = call(runtime, root, *log, "create", *files, "--no-pivot", "--no-new-keyring", "--preserve-fds", "0", "box")
    assert done.returncode == 0, done.stderr
    assert int(read(f"{directory}/pidfile")) > 1
    assert read(f"{directory}/oci-log") == ""
    assert call(runtime, root, "start", "box").returncode == 0
    with open(f"{directory}/process", "w") as file:
        json.dump({"args": ["sh", "-c", "exit 7"], "env": ["PATH=/bin"], "cwd": "/", "user": {"uid": 0}}, file)
    words = ["exec", "--pid-file", f"{directory}/exec-pid", "--process", f"{directory}/process", "--detach", "box"]
    done = call(runtime, root, *log, *words)
    assert done.returncode == 0, done.stderr
    assert int(read(f"{directory}/exec-pid")) > 1
    assert call(runtime, root, "pause", "box").returncode == 0
    assert call(runtime, root, "resume", "box").returncode == 0
    assert call(runtime, root, "kill", "box", "15").returncode == 0
    assert call(runtime, root, "kill", "--all", "box", "9").returncode == 0
    await_status(runtime, "stopped")
    assert call(runtime, root, "delete", "--force", "box").returncode == 0
    assert call(runtime, root, "delete", "--force", "box").returncode == 0


def test_what_conmon_and_podman_learn_of_a_failure(runtime: Runtime) -> None:
    directory = runtime.directory
    runtime.configure(configuration("sleep", "1234"))
    runtime("run", "-d", "box", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(f"{directory}/process", "w") as file:
        json.dump({"args": ["missing"], "env": ["PATH=/bin"], "cwd": "/"}, file)
    log = ["--log-format=json", "--log", f"{directory}/exec-log", "--debug"]
    words = ["exec", "--pid-file", f"{directory}/exec-pid", "--process", f"{directory}/process", "--detach", "box"]
    done = call(runtime, f"--root={runtime.state}", *log, *words)
    assert done.returncode != 0
    assert not os.path.exists(f"{directory}/exec-pid")
    entry = json.loads(read(f"{directory}/exec-log"))
    assert entry["level"] == "error"
    assert "not found in $PATH" in entry["msg"]
    assert entry["msg"] in done.stderr


def test_podmans_probes(runtime: Runtime) -> None:
    assert call(runtime, "checkpoint", "--help").returncode == 0
    done = call(runtime, "restore", "--lsm-mount-context")
    assert (done.returncode, "flag needs an argument" in done.stderr) == (1, True)
    done = call(runtime, "--version")
    assert done.returncode == 0


def receive(listener: socket.socket) -> int:
    """Accept, and return the file descriptor that was sent."""
    connection, _address = listener.accept()
    with connection:
        _data, ancillary, _flags, _sender = connection.recvmsg(1024, socket.CMSG_SPACE(4))
    fds = array.array("i")
    fds.frombytes(ancillary[0][2])
    return fds[0]


def test_containerd(runtime: Runtime) -> None:
    directory = runtime.directory
    common = ["--root", runtime.state, "--log", f"{directory}/log.json", "--log-format", "json", "--rootless=false"]
    spec = configuration("sh", "-c", "tty; sleep 1234", terminal=True)
    runtime.configure(spec)
    path = f"{directory}/pty.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        files = ["--bundle", runtime.bundle, "--pid-file", f"{directory}/init.pid", "--console-socket", path]
        done = call(runtime, *common, "create", *files, "box")
        assert done.returncode == 0, done.stderr
        master = receive(listener)
        assert call(runtime, *common, "start", "box").returncode == 0
        assert b"/dev/pts/" in os.read(master, 100)
        os.close(master)
    with open(f"{directory}/process", "w") as file:
        json.dump({"args": ["sleep", "1234"], "env": ["PATH=/bin"], "cwd": "/"}, file)
    path = f"{directory}/pidfd.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        files = [
            "--process",
            f"{directory}/process",
            "--pidfd-socket",
            path,
            "--detach",
            "--pid-file",
            f"{directory}/p",
        ]
        assert call(runtime, *common, "exec", *files, "box").returncode == 0
        pidfd = receive(listener)
        assert f"Pid:\t{read(f'{directory}/p')}\n" in read(f"/proc/self/fdinfo/{pidfd}")
        os.close(pidfd)

    def counted() -> tuple[int, int]:
        listed = call(runtime, *common, "ps", "--format", "json", "box", stdout=subprocess.PIPE)
        assert int(read(f"{directory}/p")) in json.loads(listed.stdout)
        usage = call(runtime, *common, "events", "--stats", "box", stdout=subprocess.PIPE)
        return len(json.loads(listed.stdout)), json.loads(usage.stdout)["data"]["pids"]["current"]

    eventually(lambda: len(set(counted())) == 1)  # the shell starts its sleep when it likes
    assert call(runtime, *common, "ps", "--format", "table", "box", "-o", "pid,args").returncode == 0
    done = call(runtime, *common, "update", "--resources=-", "box", stdin=None, input='{"pids": {"limit": 40}}')
    assert done.returncode == 0, done.stderr
    assert json.loads(call(runtime, *common, "list", "--format=json", stdout=subprocess.PIPE).stdout)[0]["id"] == "box"
    assert json.loads(call(runtime, *common, "state", "box", stdout=subprocess.PIPE).stdout)["status"] == "running"
    # Twice, as go-runc deletes: plainly, and by force if that fails.
    assert call(runtime, *common, "delete", "box").returncode == 1
    last = json.loads(read(f"{directory}/log.json").splitlines()[-1])
    assert (last["level"], "it is running" in last["msg"]) == ("error", True)
    assert call(runtime, *common, "kill", "--all", "box", "9").returncode == 0
    await_status(runtime, "stopped")
    assert "container not running" in call(runtime, *common, "kill", "box", "9").stderr
    assert call(runtime, *common, "delete", "--force", "box").returncode == 0
    assert "does not exist" in call(runtime, *common, "state", "box").stderr


def test_cri_o(runtime: Runtime) -> None:
    spec = configuration("sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.05; done")
    runtime.start("box", spec)
    with open(f"{runtime.directory}/process", "w") as file:
        json.dump({"args": ["echo", "out"], "env": ["PATH=/bin"], "cwd": "/"}, file)
    root = f"--root={runtime.state}"
    done = call(runtime, root, "exec", "--process", f"{runtime.directory}/process", "box", stdout=subprocess.PIPE)
    assert (done.stdout, done.returncode) == ("out\n", 0)
    done = call(runtime, root, "update", "--resources", "-", "box", stdin=None, input='{"cpu": {"shares": 512}}')
    assert done.returncode == 0, done.stderr
    assert call(runtime, root, "kill", "box", "RTMIN+3").returncode == 0
    assert call(runtime, root, "kill", "box", "TERM").returncode == 0
    await_status(runtime, "stopped")
    assert call(runtime, "--root", runtime.state, "delete", "--force", "box").returncode == 0


def test_docker_reads_the_version() -> None:
    done = subprocess.run([*COMMAND, "--version"], capture_output=True, text=True, check=True, env={})
    lines = done.stdout.splitlines()
    assert lines[0].startswith("pod-runtime version ")
    assert lines[1].startswith("spec: 1.")


def test_a_foreground_terminal(runtime: Runtime) -> None:
    runtime.configure(configuration("sh", "-c", "read line; echo got $line; stty size; exit 5", terminal=True))
    master, slave = pty.openpty()
    command = [*COMMAND, "--root", runtime.state, "run", "box"]
    with subprocess.Popen(command, cwd=runtime.bundle, stdin=slave, stdout=slave, stderr=slave) as running:
        os.close(slave)
        os.write(master, b"hello\n")
        seen, deadline = b"", time.monotonic() + 60
        while b"got hello" not in seen and time.monotonic() < deadline:
            if select.select([master], [], [], 0.1)[0]:
                seen += os.read(master, 1000)
        if b"got hello" not in seen:
            running.kill()
        assert (running.wait(60), b"got hello" in seen) == (5, True)
    os.close(master)


@pytest.mark.parametrize(("script", "code"), [("exit 42", 42), ("kill -9 $$", 137), ("kill -TERM $$", 143)])
def test_the_exit_status_is_the_processs(runtime: Runtime, script: str, code: int) -> None:
    # Not as the init of a pid namespace, which signals of its own do not end.
    assert runtime.run(configuration("sh", "-c", f"sh -c '{script}'; exit $?")).returncode == code
    runtime.start("box", configuration("sleep", "1234"))
    assert runtime("exec", "box", "sh", "-c", script).returncode == code


def test_keep(runtime: Runtime) -> None:
    runtime.configure(configuration("true"))
    assert runtime("run", "--keep", "box").returncode == 0
    assert json.loads(runtime("state", "box").stdout)["status"] == "stopped"
    assert runtime("delete", "box").returncode == 0


@pytest.mark.parametrize("words", [[], ["--no-subreaper"], ["-no-subreaper"]])
def test_orphans_are_adopted_unless_that_is_not_wanted(runtime: Runtime, words: list[str]) -> None:
    spec = configuration(
        "sh", "-c", "sh -c 'sleep 1000 & echo $! $$ > /orphan'; while ! [ -e /go ]; do sleep 0.05; done"
    )
    spec["linux"]["namespaces"] = [each for each in spec["linux"]["namespaces"] if each["type"] != "pid"]
    spec["mounts"] = [each for each in spec["mounts"] if each["destination"] != "/proc"]
    spec["linux"]["maskedPaths"] = spec["linux"]["readonlyPaths"] = []
    runtime.configure(spec)
    command = [*COMMAND, "--root", runtime.state, "run", *words, "box"]
    with subprocess.Popen(command, cwd=runtime.bundle, stdin=subprocess.DEVNULL) as running:
        eventually(lambda: os.path.exists(f"{runtime.rootfs}/orphan") and read(f"{runtime.rootfs}/orphan"))
        pid, shell = read(f"{runtime.rootfs}/orphan").split()
        eventually(lambda: not os.path.exists(f"/proc/{shell}"))
        parent = int(read(f"/proc/{pid}/stat").rpartition(")")[2].split()[1])
        assert (parent == running.pid) is not bool(words)
        os.kill(int(pid), signal.SIGKILL)
        with open(f"{runtime.rootfs}/go", "w"):
            pass
        assert running.wait(60) == 0


def test_closed_standard_streams_stay_out_of_the_way(runtime: Runtime) -> None:
    """What is opened must not land where a standard stream should be."""
    runtime.configure(configuration("sh", "-c", "echo hidden; echo hidden >&2; exit 6"))
    script = 'exec "$@" <&- >&- 2>&-'
    command = ["/bin/sh", "-c", script, "sh", *COMMAND, "--root", runtime.state, "run", "box"]
    assert subprocess.run(command, cwd=runtime.bundle, check=False, env={}).returncode == 6
    assert runtime.leftovers() == []


def test_the_launcher_needs_no_environment(runtime: Runtime) -> None:
    """An absolute interpreter, no PATH, no HOME: podman deletes containers with hardly any variable set."""
    binaries = f"{runtime.directory}/bin"
    os.mkdir(binaries)
    subprocess.run([f"{SOURCE}/contrib/launcher", COMMAND[0], binaries, SOURCE], check=True)
    command = [f"{binaries}/pod-runtime", "--root", runtime.state]
    runtime.configure(configuration("env", env=["PATH=/bin"]))
    done = subprocess.run(
        [*command, "run", "box"], cwd=runtime.bundle, capture_output=True, text=True, env={}, check=True
    )
    # Nothing of the interpreter's, or the caller's, environment.
    assert sorted(done.stdout.split()) == ["HOME=/root", "PATH=/bin"]
    assert (
        subprocess.run([*command, "delete", "--force", "box"], env={"XDG_RUNTIME_DIR": ""}, check=False).returncode == 0
    )


def test_an_error_that_nobody_expects_is_one_line(runtime: Runtime) -> None:
    os.makedirs(f"{runtime.state}/box")
    with open(f"{runtime.state}/box/state.json", "w") as file:
        file.write('{"id": 5}')
    done = runtime("state", "box")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "Traceback" not in done.stderr
    assert "Traceback" in runtime("--debug", "state", "box").stderr
    # It does not hide the others.
    listed = runtime("list", "--format", "json")
    assert (listed.returncode, listed.stdout, listed.stderr.count("warning: read the state")) == (0, "[]\n", 1)
    os.unlink(f"{runtime.state}/box/state.json")
