"""The verbs of `pod-runtime`: create, start, state, kill, delete, list, exec; and what they leave when they fail."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from pod.pods import infra_program
from runtime import process, trampoline
from runtime.monitor import sleeping_program
from tests.fixtures import all_ids
from tests.fixtures.bundle import COMMAND, Runtime, configuration
from tests.fixtures.monitor import eventually
from tests.fixtures.user import current_user

_numbers = itertools.count()


@pytest.fixture
def runtime(workplace: str) -> Iterator[Runtime]:
    if os.getuid():
        pytest.skip("needs root")
    made = Runtime(f"{workplace}/lifecycle{next(_numbers)}", current_user())
    yield made
    for name in made.leftovers():
        made("delete", "--force", name)


def state(runtime: Runtime, name: str = "box") -> dict[str, Any]:
    document: dict[str, Any] = json.loads(runtime("state", name).stdout)
    return document


def create(runtime: Runtime, spec: dict[str, Any], *words: str, name: str = "box") -> subprocess.CompletedProcess[str]:
    runtime.configure(spec)
    log = f"{runtime.directory}/log"
    with open(log, "w") as file:
        done = runtime("create", *words, name, stdout=file, stderr=file)
    with open(log) as file:
        done.stdout = file.read()
    return done


def await_status(runtime: Runtime, wanted: str) -> None:
    eventually(lambda: state(runtime)["status"] == wanted)


def test_the_life_of_a_container(runtime: Runtime) -> None:
    pid_file = f"{runtime.directory}/pid"
    spec = configuration("sh", "-c", "echo ran > /ran; sleep 600", env=["PATH=/bin"])
    spec["annotations"] = {"a": "b"}
    assert create(runtime, spec, "--pid-file", pid_file).returncode == 0
    made = state(runtime)
    with open(pid_file) as file:
        assert int(file.read()) == made["pid"]
    assert (made["status"], made["annotations"], made["bundle"]) == ("created", {"a": "b"}, runtime.bundle)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", made["created"])
    assert not os.path.exists(f"{runtime.rootfs}/ran")
    assert runtime("start", "box").returncode == 0
    assert state(runtime)["status"] == "running"
    assert "it is running" in runtime("start", "box").stderr
    assert "it is running" in runtime("delete", "box").stderr
    eventually(lambda: os.path.exists(f"{runtime.rootfs}/ran"))
    assert runtime("kill", "box", "KILL").returncode == 0
    await_status(runtime, "stopped")
    assert state(runtime)["pid"] == 0
    assert "container not running" in runtime("kill", "box", "KILL").stderr
    assert runtime("kill", "--all", "box", "KILL").returncode == 0
    assert runtime("delete", "box").returncode == 0
    assert "does not exist" in runtime("state", "box").stderr
    assert runtime("delete", "box").returncode == 1
    assert runtime("delete", "--force", "box").returncode == 0


def test_a_created_container_can_be_deleted_and_its_name_used_again(runtime: Runtime) -> None:
    for _round in range(2):
        assert create(runtime, configuration("sleep", "600")).returncode == 0
        assert "exists already" in create(runtime, configuration("true")).stdout
        pid = state(runtime)["pid"]
        assert runtime("delete", "box").returncode == 0
        assert not process.is_alive(pid, None)


def test_list(runtime: Runtime) -> None:
    assert runtime("list", "--format", "json").stdout.strip() == "[]"
    create(runtime, configuration("sleep", "600"), name="one")
    create(runtime, configuration("sleep", "600"), name="two")
    assert [entry["id"] for entry in json.loads(runtime("list", "-f", "json").stdout)] == ["one", "two"]
    assert runtime("list", "-q").stdout.split() == ["one", "two"]
    assert "created" in runtime("list").stdout


def test_a_container_without_a_process_can_be_created_but_not_started(runtime: Runtime) -> None:
    spec = configuration()
    del spec["process"]
    assert create(runtime, spec).returncode == 0
    assert "has no process" in runtime("start", "box").stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"#!/no/interpreter\n", "no such file or directory"), (b"\x7fELFx", "exec format error")],
)
def test_what_only_execve_finds_out_is_reported_by_start(runtime: Runtime, content: bytes, message: str) -> None:
    path = f"{runtime.rootfs}/bin/program"
    with open(path, "wb") as file:
        file.write(content)
    os.chmod(path, 0o755)
    assert create(runtime, configuration("program")).returncode == 0
    started = runtime("start", "box")
    assert started.returncode == 1
    assert message in started.stderr


def test_the_configuration_is_that_of_create(runtime: Runtime) -> None:
    create(runtime, configuration("sleep", "600"))
    runtime.configure(configuration("false"))
    assert runtime("start", "box").returncode == 0
    assert state(runtime)["status"] == "running"


def test_exec(runtime: Runtime) -> None:
    runtime.start("box", configuration("sleep", "600"))
    kinds = ("pid", "net", "ipc", "uts", "mnt")
    links = [f"readlink /proc/self/ns/{kind}" for kind in kinds]
    own = [os.readlink(f"/proc/{state(runtime)['pid']}/ns/{kind}") for kind in kinds]
    assert runtime("exec", "box", "sh", "-c", ";".join(links)).stdout.split() == own
    assert runtime("exec", "box", "sh", "-c", "exit 5").returncode == 5
    seen = runtime("exec", "-u", "1000:7", "-g", "9", "-e", "A=1", "--cwd", "/tmp", "box", "sh", "-c", "id;pwd;echo $A")
    assert seen.stdout.split() == ["uid=1000(web)", "gid=7", "groups=9", "/tmp", "1"]
    missing = runtime("exec", "--pid-file", f"{runtime.directory}/p", "box", "missing")
    assert "executable file `missing` not found in $PATH" in missing.stderr
    assert not os.path.exists(f"{runtime.directory}/p")


def test_exec_with_a_file_detached(runtime: Runtime) -> None:
    runtime.start("box", configuration("sleep", "600"))
    document = {"args": ["sh", "-c", "echo out; sleep 0.1; echo $$ > /done"], "cwd": "/", "env": ["PATH=/bin"]}
    with open(f"{runtime.bundle}/process.json", "w") as file:
        json.dump(document, file)
    path = f"{runtime.directory}/pid"
    with open(f"{runtime.directory}/out", "w") as out:
        done = runtime("exec", "--process", "process.json", "-d", "--pid-file", path, "box", stdout=out, stderr=out)
    assert done.returncode == 0
    with open(path) as file:
        assert int(file.read()) > 1
    deadline = time.monotonic() + 60
    while not os.path.exists(f"{runtime.rootfs}/done") and time.monotonic() < deadline:
        time.sleep(0.02)
    assert os.path.exists(f"{runtime.rootfs}/done")


def test_exec_needs_a_running_container(runtime: Runtime) -> None:
    runtime.start("box", configuration("true"))
    await_status(runtime, "stopped")
    assert "container not running" in runtime("exec", "box", "true").stderr


def console(runtime: Runtime, *words: str) -> int:
    """Run a verb that sends a terminal to a socket; return the terminal."""
    path = f"{runtime.directory}/console"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        done = runtime(*words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert done.returncode == 0
        with listener.accept()[0] as connection:
            _data, fds, _flags, _address = socket.recv_fds(connection, 100, 1)
    os.unlink(path)
    return fds[0]


def read_until(fd: int, word: bytes) -> bytes:
    seen = b""
    while word not in seen:
        seen += os.read(fd, 4096)
    return seen


def test_a_terminal(runtime: Runtime) -> None:
    script = "tty; stty size; test -c /dev/console && read line && echo got $line; sleep 600"
    spec = configuration("sh", "-c", script, terminal=True, consoleSize={"height": 33, "width": 77})
    runtime.configure(spec)
    master = console(runtime, "create", "--console-socket", f"{runtime.directory}/console", "box")
    runtime("start", "box")
    os.write(master, b"hello\n")
    seen = read_until(master, b"got hello")
    assert b"/dev/pts/0" in seen
    assert b"33 77" in seen
    with open(f"{runtime.bundle}/process.json", "w") as file:
        json.dump({"args": ["tty"], "terminal": True, "env": ["PATH=/bin"]}, file)
    words = ("exec", "--console-socket", f"{runtime.directory}/console", "--process", "process.json", "-d", "box")
    second = console(runtime, *words)
    assert b"/dev/pts/1" in read_until(second, b"\n")
    os.close(master)
    os.close(second)


# Much time passes between the two steps in which cgroup v1 takes rules for devices.
SLOW_RULES = """
import time
from runtime.cgroups import files
write = files.write
def slowly(path, *values):
    write(path, *values)
    if path.endswith("/devices.deny") and values == ("a",):
        time.sleep(0.5)
files.write = slowly
"""


@pytest.mark.skipif(not os.path.exists("/sys/fs/cgroup/devices"), reason="cgroup v2 takes rules for devices at once")
def test_a_terminal_while_all_devices_are_denied(runtime: Runtime) -> None:
    spec = configuration("tty", terminal=True)
    spec["linux"]["cgroupsPath"] = f"/pod-tests-{os.getpid()}-rules"
    rules = [
        ("c", 1, 3),
        ("c", 1, 5),
        ("c", 1, 7),
        ("c", 1, 8),
        ("c", 1, 9),
        ("c", 5, 0),
        ("c", 5, 2),
        ("c", 136, None),
    ]
    spec["linux"]["resources"] = {
        "devices": [
            {"allow": False, "access": "rwm"},
            {"allow": True, "type": "c", "access": "m"},
            *({"allow": True, "type": kind, "major": major, "minor": minor} for kind, major, minor in rules),
        ]
    }
    runtime.configure(spec)
    code = COMMAND[-1].replace("from runtime.__main__", f"exec({SLOW_RULES!r}); from runtime.__main__")
    runtime.command = [*COMMAND[:-1], code]
    master = console(runtime, "create", "--console-socket", f"{runtime.directory}/console", "box")
    runtime("start", "box")
    assert b"/dev/pts/0" in read_until(master, b"\n")
    os.close(master)
    await_status(runtime, "stopped")
    assert runtime("delete", "box").returncode == 0


def test_a_terminal_needs_a_socket(runtime: Runtime) -> None:
    assert "--console-socket" in create(runtime, configuration("true", terminal=True)).stdout


def test_hooks(runtime: Runtime) -> None:
    log = f"{runtime.directory}/hooks"
    stages = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")
    spec = configuration("sleep", "600")
    spec["hooks"] = {
        stage: [{"path": "/bin/sh", "args": ["sh", "-c", f"(echo {stage} $A; cat; echo) >> {log}"], "env": ["A=1"]}]
        for stage in stages
    }
    inside = {"path": "/bin/sh", "args": ["sh", "-c", "hostname > /inside"], "env": ["PATH=/bin"]}
    spec["hooks"]["startContainer"] = [inside]
    runtime.start("box", spec)
    runtime("delete", "--force", "box")
    with open(log) as file:
        lines = file.read().splitlines()
    assert lines[::2] == [f"{stage} 1" for stage in stages]
    states = [json.loads(line)["status"] for line in lines[1::2]]
    assert states == ["created", "created", "created", "running", "stopped"]
    with open(f"{runtime.rootfs}/inside") as file:
        assert file.read() == "box\n"


def test_a_hook_that_fails_or_hangs_ends_the_start(runtime: Runtime) -> None:
    for hook, message in (
        ({"path": "/bin/false"}, "exit status 1"),
        ({"path": "/no/hook"}, "No such file"),
        ({"path": "/bin/sleep", "args": ["sleep", "600"], "timeout": 1}, "still running after 1 s"),
    ):
        spec = configuration("true")
        spec["hooks"] = {"createRuntime": [hook]}
        assert message in create(runtime, spec).stdout
        assert runtime.leftovers() == []


def test_poststart_hooks_see_a_running_container_even_if_it_has_ended(runtime: Runtime) -> None:
    log = f"{runtime.directory}/hooked"
    spec = configuration("true")
    spec["hooks"] = {"poststart": [{"path": "/bin/sh", "args": ["sh", "-c", f"sleep 0.2; cat > {log}"]}]}
    assert runtime.run(spec).returncode == 0
    with open(log) as file:
        state = json.load(file)
    assert state["status"] == "running"
    assert state["pid"] > 0


def test_a_poststart_hook_that_fails_ends_and_deletes_the_container(runtime: Runtime) -> None:
    spec = configuration("sleep", "600")
    spec["hooks"] = {"poststart": [{"path": "/bin/false"}]}
    assert create(runtime, spec).returncode == 0
    done = runtime("start", "box")
    assert done.returncode == 1
    assert "poststart" in done.stderr
    assert runtime.leftovers() == []


def test_a_poststop_hook_that_fails_is_a_warning(runtime: Runtime) -> None:
    spec = configuration("true")
    spec["hooks"] = {
        "poststop": [{"path": "/bin/false"}, {"path": "/bin/touch", "args": ["touch", f"{runtime.directory}/ran"]}]
    }
    done = runtime.run(spec)
    assert done.returncode == 0
    assert "warning: run the poststop hook `/bin/false`: exit status 1" in done.stderr
    assert os.path.exists(f"{runtime.directory}/ran")
    os.unlink(f"{runtime.directory}/ran")
    create(runtime, spec)
    done = runtime("delete", "box")
    assert (done.returncode, done.stderr.count("warning: ")) == (0, 1)
    assert os.path.exists(f"{runtime.directory}/ran")


def test_hooks_without_variables_inherit_ours_but_none_of_the_image(runtime: Runtime) -> None:
    stages = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")
    spec = configuration("true")
    show = f"echo $WHERE >> {runtime.directory}/seen"
    spec["hooks"] = {stage: [{"path": "/bin/sh", "args": ["sh", "-c", show]}] for stage in stages}
    spec["hooks"]["startContainer"] = [{"path": "/bin/sh", "args": ["sh", "-c", "echo $WHERE- > /inside"]}]
    runtime.configure(spec)
    assert runtime("run", "box", env={**os.environ, "WHERE": "host"}).returncode == 0
    with open(f"{runtime.directory}/seen") as file:
        assert file.read().split() == ["host"] * len(stages)
    with open(f"{runtime.rootfs}/inside") as file:
        assert file.read() == "-\n"


def test_control_groups(runtime: Runtime) -> None:
    name = f"podruntimetest{os.getpid()}"
    spec = configuration("sleep", "600")
    spec["linux"]["namespaces"].append({"type": "cgroup"})
    spec["linux"]["cgroupsPath"] = f"/{name}/box"
    spec["linux"]["resources"] = {"pids": {"limit": 50}, "memory": {"limit": 64 << 20}}
    pid = runtime.start("box", spec)
    with open(f"/proc/{pid}/cgroup") as file:
        lines = [line for line in file.read().splitlines() if "pids" in line or line.startswith("0::")]
    assert any(line.endswith(f"/{name}/box") for line in lines)
    assert runtime("exec", "box", "sh", "-c", "cat /proc/self/cgroup").stdout.count(":/\n") > 0
    runtime("delete", "--force", "box")
    left = [place for place, names, _files in os.walk("/sys/fs/cgroup") if name in names]
    assert left == []


def test_device_rules_are_left_out_in_a_user_namespace(runtime: Runtime) -> None:
    spec = configuration("cat", "/dev/null")
    spec["linux"]["cgroupsPath"] = f"/podruntimetest{os.getpid()}"
    spec["linux"]["resources"] = {"devices": [{"allow": False, "access": "rwm"}]}
    runtime.configure(spec)
    command = [sys.executable, "-IS", all_ids.__file__, *COMMAND, "--root", runtime.state, "run", "box"]
    done = subprocess.run(command, cwd=runtime.bundle, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("delay", [0.0, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05])
def test_killed_create_leaves_no_process(runtime: Runtime, delay: float) -> None:
    runtime.configure(configuration("sleep", "1234567"))
    running = subprocess.Popen(
        [*COMMAND, "--root", runtime.state, "create", "box"],
        cwd=runtime.bundle,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(0.01 + delay)
    running.send_signal(signal.SIGKILL)
    running.wait()
    recorded = os.path.exists(f"{runtime.state}/box/state.json")
    deadline = time.monotonic() + 60
    while not recorded and mentions(runtime.directory) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert recorded or not mentions(runtime.directory)
    assert runtime("delete", "--force", "box").returncode == 0
    assert runtime.leftovers() == []


def mentions(text: str) -> list[str]:
    """Return the processes that have a mount with this text, other than our own."""
    found = []
    with open("/proc/self/mountinfo") as file:
        own = file.read()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline") as file:
                command = file.read()
            with open(f"/proc/{pid}/mountinfo") as file:
                mounts = file.read()
        except OSError:
            continue
        if pid != str(os.getpid()) and (text in command or (mounts != own and text in mounts)):
            found.append(command)
    return found


def test_the_log_has_one_json_line(runtime: Runtime) -> None:
    path = f"{runtime.directory}/log.json"
    runtime.configure(configuration("missing"))
    done = runtime("--log-format=json", "--log", path, "create", "--bundle", runtime.bundle, "box")
    assert done.returncode == 1
    with open(path) as file:
        entry = json.loads(file.read())
    assert entry["level"] == "error"
    assert "executable file `missing` not found in $PATH" in entry["msg"]


def test_version_and_help(runtime: Runtime) -> None:
    assert runtime("--version").stdout.startswith("pod-runtime version ")
    assert "create" in runtime("--help").stdout
    assert runtime("create", "--help").returncode == 0
    assert "requires exactly" in runtime("start").stderr


# The trampoline is data: it must be what its source says; and so is the program of infra containers.


@pytest.mark.parametrize("program", [trampoline, infra_program, sleeping_program])
@pytest.mark.parametrize(("machine", "source"), [("x86_64", "X86_64_ASSEMBLY"), ("aarch64", "AARCH64_ASSEMBLY")])
def test_the_trampolines_code_is_its_assembly(workplace: str, machine: str, source: str, program: Any) -> None:
    prefix = f"{machine}-linux-gnu-"
    path = f"{workplace}/{machine}"
    with open(f"{path}.s", "w") as file:
        file.write(getattr(program, source))
    try:
        subprocess.run([f"{prefix}as", f"{path}.s", "-o", f"{path}.o"], check=True)
    except FileNotFoundError:
        pytest.skip(f"{prefix}as is not installed")
    command = [f"{prefix}objcopy", "-O", "binary", "-j", ".text", f"{path}.o", f"{path}.bin"]
    subprocess.run(command, check=True)
    with open(f"{path}.bin", "rb") as file:
        assert file.read() == program.CODE[machine][1]


def test_the_trampoline_reports_and_runs(workplace: str) -> None:
    for path, expected in (("/bin/true", b""), ("/no/where", (2).to_bytes(4, "little"))):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.set_inheritable(writing, True)
            memfd = trampoline.prepare(writing)
            trampoline.execute(memfd, path, ["name"], {})
        os.close(writing)
        assert os.read(reading, 10) == expected
        os.close(reading)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == (127 if expected else 0)
    if subprocess.run(["which", "qemu-aarch64-static"], capture_output=True, check=False).returncode:
        return
    path = f"{workplace}/trampoline.aarch64"
    with open(path, "wb") as file:
        file.write(trampoline.image(2, machine="aarch64"))
    os.chmod(path, 0o755)
    done = subprocess.run(["qemu-aarch64-static", path], capture_output=True, check=False)
    assert done.returncode == 127


def test_killed_create_leaves_no_control_group_after_delete(runtime: Runtime) -> None:
    name = f"podruntimekill{os.getpid()}"
    spec = configuration("sleep", "600")
    spec["linux"]["cgroupsPath"] = f"/{name}/box"
    runtime.configure(spec)
    for delay in (0.0, 0.005, 0.01, 0.015, 0.02):
        command = [*COMMAND, "--root", runtime.state, "create", "box"]
        null = subprocess.DEVNULL
        running = subprocess.Popen(command, cwd=runtime.bundle, stdin=null, stdout=null, stderr=null)
        time.sleep(0.03 + delay)
        running.kill()
        running.wait()
        assert runtime("delete", "--force", "box").returncode == 0
        assert [place for place, names, _files in os.walk("/sys/fs/cgroup") if name in names] == []
        assert runtime.leftovers() == []
