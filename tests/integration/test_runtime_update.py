"""`pod-runtime update` and `events`: limits of a container that runs, and what it uses, by the kernel's own files."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.bundle import COMMAND, Runtime, configuration
from tests.fixtures.monitor import eventually, rests
from tests.fixtures.user import current_user

_numbers = itertools.count()
MIB = 1 << 20


@pytest.fixture
def runtime(workplace: str) -> Iterator[Runtime]:
    if os.getuid():
        pytest.skip("needs root")
    made = Runtime(f"{workplace}/update{next(_numbers)}", current_user())
    yield made
    for name in made.leftovers():
        made("delete", "--force", name)


def bundle(*args: str, **resources: Any) -> dict[str, Any]:
    spec = configuration(*args)
    spec["linux"]["cgroupsPath"] = f"/podruntimeupdate{os.getpid()}/box"
    spec["linux"]["resources"] = resources
    return spec


def cgroup(pid: int, controller: str) -> str:
    """Return the directory of a process's cgroup."""
    with open(f"/proc/{pid}/cgroup") as file:
        paths = dict(line.rstrip("\n").split(":", 2)[1:] for line in file)
    if controller in paths:
        return f"/sys/fs/cgroup/{controller}{paths[controller]}"
    return f"/sys/fs/cgroup{paths['']}"


def content(pid: int, controller: str, v1: str, v2: str) -> str:
    directory = cgroup(pid, controller)
    with open(f"{directory}/{v1 if os.path.exists(f'{directory}/{v1}') else v2}") as file:
        return file.read().strip()


def limits(runtime: Runtime) -> dict[str, Any]:
    """Return what is kept for the container."""
    with open(f"{runtime.state}/box/config.json") as file:
        resources: dict[str, Any] = json.load(file)["linux"]["resources"]
    return resources


def test_only_what_is_given_changes(runtime: Runtime) -> None:
    memory = {"limit": 64 * MIB, "swap": 64 * MIB}
    pid = runtime.start("box", bundle("sleep", "1234", memory=memory, pids={"limit": 50}))
    assert runtime("update", "--pids-limit", "20", "box").returncode == 0
    assert content(pid, "pids", "pids.max", "pids.max") == "20"
    assert content(pid, "memory", "memory.limit_in_bytes", "memory.max") == str(64 * MIB)
    assert limits(runtime) == {"memory": memory, "pids": {"limit": 20}}
    assert runtime("update", "--pids-limit=-1", "box").returncode == 0
    assert content(pid, "pids", "pids.max", "pids.max") == "max"


def test_memory_and_swap_grow_and_shrink_together(runtime: Runtime) -> None:
    pid = runtime.start("box", bundle("sleep", "1234", memory={"limit": 64 * MIB, "swap": 64 * MIB}))
    for limit, swap in ((256, 300), (32, 32), (128, -1)):
        words = ["--memory", f"{limit}m", "--memory-swap", "-1" if swap < 0 else f"{swap}M"]
        done = runtime("update", *words, "box")
        assert done.returncode == 0, done.stderr
        assert content(pid, "memory", "memory.limit_in_bytes", "memory.max") == str(limit * MIB)
    runtime("update", "--memory", "32m", "--memory-swap", "64m", "box")
    refused = runtime("update", "--memory", "1g", "box")
    assert refused.returncode == 1
    assert content(pid, "memory", "memory.limit_in_bytes", "memory.max") == str(32 * MIB)
    assert limits(runtime)["memory"] == {"limit": 32 * MIB, "swap": 64 * MIB}


def test_resources_from_a_file_and_from_standard_input(runtime: Runtime) -> None:
    pid = runtime.start("box", bundle("sleep", "1234", cpu={"quota": 30000, "period": 60000}))
    path = f"{runtime.directory}/resources.json"
    with open(path, "w") as file:
        json.dump({"cpu": {"quota": 20000}, "memory": {}, "pids": {"limit": 0}}, file)
    assert runtime("update", f"--resources={path}", "box").returncode == 0
    quota = content(pid, "cpu", "cpu.cfs_quota_us", "cpu.max").split()[0]
    assert (quota, limits(runtime)) == ("20000", {"cpu": {"quota": 20000, "period": 60000}})
    for words in (["--resources", "-"], ["-r-"], ["--resources=-"]):
        document = '{"pids": {"limit": 33}}'
        command = [*COMMAND, "--root", runtime.state, "update", *words, "box"]
        subprocess.run(command, input=document, text=True, check=True)
        assert content(pid, "pids", "pids.max", "pids.max") == "33"
        runtime("update", "--pids-limit", "44", "box")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--memory", "many"], "not an amount of memory"),
        (["--pids-limit", "x"], "--pids-limit needs a number"),
        (["--l3-cache-schema", "L3:0=f"], "RDT is not supported"),
        (["--cpuset-cpus", "9999"], "cpuset.cpus"),
        (["--resources", "/missing"], "No such file"),
        ([], ""),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(runtime: Runtime, words: list[str], message: str) -> None:
    runtime.start("box", bundle("sleep", "1234", pids={"limit": 50}))
    before = limits(runtime)
    done = runtime("update", *words, "box")
    assert (done.returncode, message in done.stderr) == (1 if message else 0, True), done.stderr
    assert limits(runtime) == before


def test_malformed_resources_are_refused(runtime: Runtime) -> None:
    runtime.start("box", bundle("sleep", "1234", pids={"limit": 50}))
    for document in (
        "{",
        "[]",
        '{"memory": 5}',
        '{"memory": {"limit": "x"}}',
        '{"pids": {"limit": 1.5}}',
    ):
        command = [*COMMAND, "--root", runtime.state, "update", "-r", "-", "box"]
        done = subprocess.run(command, input=document, text=True, capture_output=True, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith("pod-runtime: ")
        assert "unexpected" not in done.stderr
        assert limits(runtime) == {"pids": {"limit": 50}}


def test_statistics(runtime: Runtime) -> None:
    script = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exec sleep 1234"
    pid = runtime.start("box", bundle("sh", "-c", script, memory={"limit": 64 * MIB}, pids={"limit": 50}))
    eventually(lambda: Path(f"/proc/{pid}/comm").read_text() == "sleep\n")
    done = runtime("events", "--stats", "box")
    assert done.stdout.count("\n") == 1
    event = json.loads(done.stdout)
    assert (event["type"], event["id"]) == ("stats", "box")
    data = event["data"]
    assert data["cpu"]["usage"]["total"] > 1_000_000
    assert data["memory"]["usage"]["limit"] == 64 * MIB
    assert 0 < data["memory"]["usage"]["usage"] < 64 * MIB
    assert data["pids"]["limit"] == 50
    assert data["pids"]["current"] == int(content(pid, "pids", "pids.current", "pids.current"))
    assert {"cpuset", "blkio", "hugetlb", "intel_rdt", "network_interfaces"} <= set(data)


def test_events_go_on_until_the_container_ends(runtime: Runtime) -> None:
    runtime.start("box", bundle("sleep", "1234"))
    command = [*COMMAND, "--root", runtime.state, "events", "--interval=100ms", "box"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        kinds = [json.loads(watching.stdout.readline())["type"] for _time in range(3)]
        runtime("kill", "box", "KILL")
        watching.communicate(timeout=60)
    assert (kinds, watching.returncode) == (["stats"] * 3, 0)
    refused = runtime("events", "--stats", "box")
    assert (refused.returncode, "container not running" in refused.stderr) == (1, True)


def test_running_out_of_memory_is_an_event(runtime: Runtime) -> None:
    script = "while ! [ -e /go ]; do sleep 0.05; done; dd if=/dev/zero of=/dev/null bs=200M count=1; sleep 1234"
    runtime.start("box", bundle("sh", "-c", script, memory={"limit": 24 * MIB, "swap": 24 * MIB}))
    command = [*COMMAND, "--root", runtime.state, "events", "--interval", "1h", "box"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        eventually(lambda: rests(watching.pid))
        with open(f"{runtime.rootfs}/go", "w"):
            pass
        assert json.loads(watching.stdout.readline()) == {"type": "oom", "id": "box"}
        runtime("kill", "box", "KILL")
        watching.communicate(timeout=60)
    assert watching.returncode == 0


@pytest.mark.parametrize("words", [["--interval", "0s"], ["--interval", "5"], ["--interval=-1s"]])
def test_intervals_that_are_none(runtime: Runtime, words: list[str]) -> None:
    assert runtime("events", *words, "box").returncode == 1


def test_a_reader_that_goes_away_ends_the_events_by_sigpipe(runtime: Runtime) -> None:
    runtime.start("box", bundle("sleep", "1234"))
    command = [*COMMAND, "--root", runtime.state, "events", "--interval=20ms", "box"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        assert watching.stderr is not None
        watching.stdout.readline()
        watching.stdout.close()
        assert watching.wait(60) == -13
        assert watching.stderr.read() == ""
