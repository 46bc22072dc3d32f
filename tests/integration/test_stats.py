"""`stats`: figures that are true, in a table, by template and as JSON, once and live."""

from __future__ import annotations

import json
import os
import time

import pytest

from tests.fixtures.command import Pod
from tests.fixtures.monitor import eventually

BURN = "while :; do :; done"


def processor_seconds(box: Pod, container: str) -> float:
    """Return what a container's first process has used."""
    pid = box.run("inspect", "--format", "{{.State.Pid}}", container).out
    with open(f"/proc/{pid}/stat") as file:
        user, system = file.read().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def test_figures(box: Pod, busybox: str) -> None:
    begun = time.monotonic()
    box.run("run", "-d", "--name", "burns", busybox, "sh", "-c", BURN)
    runs = time.monotonic()
    box.run("run", "-d", "--name", "sleeps", busybox, "sh", "-c", "sleep 1000 & sleep 1001 & wait")
    both_run = time.monotonic()
    eventually(lambda: processor_seconds(box, "burns") > 0.5)
    eventually(lambda: box.run("stats", "--no-stream", "--format", "{{.PIDs}}", "sleeps").out == "3")
    least, looks = processor_seconds(box, "burns"), time.monotonic()
    fields = "{{.Name}} {{.CPU}} {{.AvgCPU}} {{.CPUNano}} {{.PIDs}} {{.MemLimit}} {{.NetInput}} {{.MemPerc}}"
    lines = [line.split() for line in box.run("stats", "--no-stream", "--format", fields).out.splitlines()]
    found = {line[0]: line[1:] for line in lines}
    # The processors are shared with other tests: as much of one as it had.
    most, looked = processor_seconds(box, "burns") + 0.5, time.monotonic()  # and what its making took
    for percent in found["burns"][:2]:
        assert 100 * least / (looked - begun) < float(percent) < 100 * most / (looks - runs)
    assert least * 1e9 <= int(found["burns"][2]) <= most * 1e9
    # What it took to begin is all that it has used, little as it may be only after a while.
    assert int(found["sleeps"][2]) < int(found["burns"][2])
    used = int(found["sleeps"][2]) / 1e9
    assert 100 * used / (looked - runs) - 0.01 < float(found["sleeps"][0]) < 100 * used / (looks - both_run) + 0.01
    assert (found["burns"][3], found["sleeps"][3]) == ("1", "3")
    with open("/proc/meminfo") as file:
        total = int(file.readline().split()[1]) * 1024
    assert found["burns"][4:6] == [str(total), "0"]
    assert found["burns"][6].endswith("%")


def test_table_json_and_which_containers(box: Pod, busybox: str) -> None:
    container = box.run("run", "-d", "--name", "a", busybox, "sleep", "100").out
    box.run("create", "--name", "b", busybox)
    table = box.run("stats", "--no-stream").out.splitlines()
    titles = "ID NAME CPU % MEM USAGE / LIMIT MEM % NET IO BLOCK IO PIDS CPU TIME AVG CPU %"
    assert " ".join(table[0].split()) == titles
    assert [line.split()[:2] for line in table[1:]] == [[container[:12], "a"]]
    assert container in box.run("stats", "--no-stream", "--no-trunc").out
    everything = json.loads(box.run("stats", "--no-stream", "--all", "--format", "json").out)
    assert [one["name"] for one in everything] == ["a", "b"]
    assert set(everything[0]) == set(
        "id name cpu_time cpu_percent avg_cpu mem_usage mem_percent net_io block_io pids".split()
    )
    assert (everything[0]["pids"], everything[1]["pids"], everything[1]["mem_usage"]) == ("1", "0", "0B / 0B")
    assert box.run("stats", "--no-stream", "--latest", "--format", "{{.Name}} {{.PIDS}}").out == "b 0"
    assert box.run("stats", "--no-stream", "-l", "--format", "table {{.Name}}\t{{.CPUPerc}}").out.split() == [
        *("NAME", "CPU", "%", "b", "0.00%"),
    ]
    assert box.run("container", "stats", "--no-stream", "a", "--format", "{{.ContainerID}}").out == container


def test_mistakes(box: Pod) -> None:
    for line, message in (
        ("--no-stream nope", 'unable to look up container nope: no container with name or ID "nope" found'),
        ("--all --latest", "--all, --latest and containers cannot be used together"),
        ("-a nope", "--all, --latest and containers cannot be used together"),
        ("--interval 0", "invalid interval, must be a positive number greater zero"),
        ("-i x", 'invalid argument "x" for "-i, --interval" flag'),
        ("--no-stream --format {{.", "template"),
    ):
        done = box.run("stats", *line.split(), check=False)
        assert (done.code, message in done.stderr) == (125, True), done.stderr


@pytest.mark.parametrize(("reset", "cleared"), [([], True), (["--no-reset"], False)])
def test_live(box: Pod, busybox: str, reset: list[str], cleared: bool) -> None:
    box.run("run", "-d", "--name", "burns", busybox, "sh", "-c", BURN)
    shown = box.spawn("stats", "--interval", "1", *reset)
    text = ""
    for _ in range(2):
        shown.expect("burns")
        text += str(shown.before)
    shown.sendintr()
    shown.expect(["\\^C", ".*"])
    shown.close(force=True)
    assert text.count("CPU TIME") == 2
    assert ("\033[2J" in text) is cleared


@pytest.mark.parametrize("mode", ["root"], indirect=True)
def test_limit_and_blocks(box: Pod, busybox: str) -> None:
    box.run(
        "run",
        "-d",
        "--name",
        "c",
        "--memory",
        "64m",
        busybox,
        "sh",
        "-c",
        "head -c 9000000 /dev/zero >/dev/shm/x; sleep 99",
    )

    def percent() -> float:
        done = box.run("stats", "--no-stream", "--format", "{{.MemLimit}} {{.MemUsageBytes}} {{.MemPerc}}", "c")
        limit, usage, *_rest, percent = done.out.split()
        assert limit == str(64 << 20)
        assert usage.endswith("iB")
        return float(percent.rstrip("%"))

    eventually(lambda: 10 < percent() < 100)
