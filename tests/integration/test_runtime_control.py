"""`pod-runtime` on a container that runs: pause, resume, ps, exec into cgroups, and signals by other names."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.bundle import COMMAND, Runtime, configuration
from tests.fixtures.monitor import eventually
from tests.fixtures.user import User, current_user

_numbers = itertools.count()


@pytest.fixture
def runtime(workplace: str) -> Iterator[Runtime]:
    if os.getuid():
        pytest.skip("needs root")
    made = Runtime(f"{workplace}/control{next(_numbers)}", current_user())
    yield made
    for name in made.leftovers():
        made("delete", "--force", name)


@pytest.fixture
def running(runtime: Runtime) -> Runtime:
    """A container `box` with two processes."""
    spec = configuration("sh", "-c", "sleep 1234 & exec sleep 1234")
    spec["linux"]["cgroupsPath"] = f"/podruntimecontrol{os.getpid()}/box"
    runtime.start("box", spec)
    await_sleepers(runtime)
    return runtime


def await_sleepers(runtime: Runtime) -> None:
    """Wait until both processes are what they become."""
    columns = ["ps", "--format=table", "box", "-o", "pid,comm"]
    eventually(lambda: runtime(*columns).stdout.split()[3::2] == ["sleep", "sleep"])


def state(runtime: Runtime, name: str = "box") -> dict[str, Any]:
    document: dict[str, Any] = json.loads(runtime("state", name).stdout)
    return document


def await_status(runtime: Runtime, wanted: str) -> None:
    eventually(lambda: state(runtime)["status"] == wanted)


def ticks(pid: int) -> int:
    """Return the processor time that a process has used."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_pause_stops_all_and_resume_lets_go_on(runtime: Runtime) -> None:
    spec = configuration("sh", "-c", "while :; do :; done")
    pid = runtime.start("box", spec)
    assert runtime("pause", "box").returncode == 0
    assert state(runtime)["status"] == "paused"
    assert json.loads(runtime("list", "--format", "json").stdout)[0]["status"] == "paused"
    before = ticks(pid)
    time.sleep(0.3)
    assert ticks(pid) == before
    refused = runtime("pause", "box")
    assert (refused.returncode, "paused already" in refused.stderr) == (1, True)
    assert runtime("resume", "box").returncode == 0
    assert state(runtime)["status"] == "running"
    eventually(lambda: ticks(pid) != before)
    refused = runtime("resume", "box")
    assert (refused.returncode, "container not paused" in refused.stderr) == (1, True)


def test_exec_into_a_paused_container_is_refused_unless_it_may_wait(running: Runtime) -> None:
    running("pause", "box")
    assert "it is paused" in running("exec", "box", "true").stderr
    command = [*COMMAND, "--root", running.state, "exec", "--ignore-paused", "box", "echo", "awake"]
    waiting = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(0.5)
    running("resume", "box")
    assert waiting.communicate(timeout=60)[0] == "awake\n"
    assert waiting.returncode == 0


def test_a_paused_container_can_be_killed_and_deleted(running: Runtime) -> None:
    running("pause", "box")
    assert running("kill", "box", "KILL").returncode == 0
    await_status(running, "stopped")
    assert running("delete", "box").returncode == 0
    running.start("box", configuration("sleep", "1234"))
    running("pause", "box")
    assert "it is running" in running("delete", "box").stderr
    assert running("delete", "--force", "box").returncode == 0
    assert running.leftovers() == []


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_what_has_ended_can_neither_be_paused_nor_resumed(runtime: Runtime, verb: str) -> None:
    runtime.start("box", configuration("true"))
    await_status(runtime, "stopped")
    done = runtime(verb, "box")
    assert done.returncode == 1
    assert {"pause": "container not running", "resume": "container not paused"}[verb] in done.stderr


def test_ps(running: Runtime) -> None:
    pids = json.loads(running("ps", "--format", "json", "box").stdout)
    assert state(running)["pid"] in pids
    assert len(pids) == 2
    lines = running("ps", "box").stdout.splitlines()
    assert lines[0].split()[:3] == ["UID", "PID", "PPID"]
    assert [int(line.split()[1]) for line in lines[1:]] == pids
    table = running("ps", "--format=table", "box", "-o", "pid,comm").stdout.split()
    assert table == ["PID", "COMMAND", str(pids[0]), "sleep", str(pids[1]), "sleep"]
    assert "no column PID" in running("ps", "box", "-o", "comm").stderr
    assert "run ps --nonsense" in running("ps", "box", "--nonsense").stderr
    running("kill", "--all", "box", "KILL")
    await_status(running, "stopped")
    assert running("ps", "-f", "json", "box").stdout == "[]\n"


def test_exec_in_a_cgroup_below_the_containers(running: Runtime) -> None:
    with open(f"/proc/{state(running)['pid']}/cgroup") as file:
        own = dict(line.rstrip("\n").split(":", 2)[1:] for line in file)
    places = [os.path.join("/sys/fs/cgroup", name, own[name].lstrip("/")) for name in ("pids", "cpu") if name in own]
    places = places or [f"/sys/fs/cgroup{own['']}"]
    for place in places:
        os.mkdir(f"{place}/inner")
    words = ["--cgroup", "pids:inner", "--cgroup", "cpu:/inner"] if "pids" in own else ["--cgroup", "inner"]
    lines = running("exec", *words, "box", "cat", "/proc/self/cgroup").stdout.splitlines()
    entered = {line.split(":", 2)[1] for line in lines if line.endswith("/inner")}
    assert entered == ({"pids", "cpu"} if "pids" in own else {""})
    for word, message in (
        ("../..", "../.. is not a sub cgroup path"),
        ("pids:a/../../..", "is not a sub cgroup path" if "pids" in own else "no controller"),
        ("missing", "does not exist"),
        ("nonsense:inner", "nonsense is not available" if "pids" in own else "no controller"),
    ):
        done = running("exec", "--cgroup", word, "box", "true")
        assert (done.returncode, message in done.stderr) == (1, True), done.stderr


def test_a_relative_cgroup_is_found_from_elsewhere(runtime: Runtime) -> None:
    """Whoever deletes a container may sit in another cgroup than who made it."""
    spec = configuration("sleep", "1234")
    spec["linux"]["cgroupsPath"] = name = f"relative{os.getpid()}"
    pid = runtime.start("box", spec)
    with open(f"/proc/{pid}/cgroup") as file:
        controllers = [line.split(":")[1] for line in file]
    elsewhere = "/sys/fs/cgroup/pids" if "pids" in controllers else "/sys/fs/cgroup"
    elsewhere = f"{elsewhere}/elsewhere{os.getpid()}"
    os.mkdir(elsewhere)
    script = f'echo $$ > {elsewhere}/cgroup.procs; exec "$@"'
    verb = ["/bin/sh", "-c", script, "sh", *COMMAND, "--root", runtime.state]
    try:
        subprocess.run([*verb, "update", "--pids-limit", "77", "box"], check=True)
        with open(f"/proc/{pid}/cgroup") as file:
            own = {line.split(":")[1]: line.rstrip().split(":", 2)[2] for line in file}
        place = f"/sys/fs/cgroup/pids{own['pids']}" if "pids" in own else f"/sys/fs/cgroup{own['']}"
        with open(f"{place}/pids.max") as file:
            assert file.read() == "77\n"
        subprocess.run([*verb, "delete", "--force", "box"], check=True)
    finally:
        os.rmdir(elsewhere)
    assert [place for place, names, _files in os.walk("/sys/fs/cgroup") if name in names] == []


def test_signals_to_all_processes(running: Runtime) -> None:
    assert running("kill", "-a", "box", "9").returncode == 0
    await_status(running, "stopped")
    assert running("kill", "--all", "box", "9").returncode == 0


@pytest.mark.parametrize("name", ["TERM", "SIGTERM", "15", "RTMIN+3", "sigrtmax-1"])
def test_a_signal_by_each_of_its_names(runtime: Runtime, name: str) -> None:
    script = "trap 'echo got' TERM; echo ready; while :; do sleep 0.05; done"
    runtime.start("box", configuration("sh", "-c", script))
    log = Path(f"{runtime.directory}/box.log")
    eventually(lambda: log.read_text() == "ready\n")
    assert runtime("kill", "box", name).returncode == 0
    if "RT" in name.upper():
        # The default action of a realtime signal is to end the process, but not the init of a pid namespace.
        assert state(runtime)["status"] == "running"
        return
    eventually(lambda: log.read_text() == "ready\ngot\n")


def test_a_regular_expression_names_several(runtime: Runtime) -> None:
    for name in ("web1", "web2", "db"):
        runtime.start(name, configuration("sleep", "1234"))
    assert runtime("kill", "--regex", "^web", "KILL").returncode == 0
    eventually(lambda: {state(runtime, name)["status"] for name in ("web1", "web2")} == {"stopped"})
    assert state(runtime, "db")["status"] == "running"
    assert runtime("delete", "-fr", ".*").returncode == 0
    assert runtime.leftovers() == []
    assert "is not a regular expression" in runtime("delete", "--regex", "(").stderr


def test_an_ordinary_user_without_control_groups(workplace: str, ordinary_user: User) -> None:
    runtime = Runtime(f"{workplace}/control{next(_numbers)}", ordinary_user)
    pid = runtime.start("box", configuration("sh", "-c", "sleep 1234 & exec sleep 1234"))
    try:
        await_sleepers(runtime)
        assert len(json.loads(runtime("ps", "--format", "json", "box").stdout)) == 2
        refused = runtime("pause", "box")
        if refused.returncode:
            assert "it has no cgroup" in refused.stderr
            assert "hint: " in refused.stderr
        assert state(runtime)["pid"] == pid
    finally:
        assert runtime("delete", "--force", "box").returncode == 0
