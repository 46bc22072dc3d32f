#!/usr/bin/env python3
"""Containers on bridges: `run`, with published ports, 32 at once, TCP throughput; pod beside podman and docker.

Each engine runs on a host of its own, a network namespace, for they have the same addresses and rules of their own;
nobody else's devices and rules are touched. Needs root; for throughput, iperf3.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import tarfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace

import engines
from engines import Engine, Row

AT_ONCE = 32
SECONDS = 3
IPERF = "localhost/iperf:latest"
RUN = ["run", "--rm"]
PORTS = ["-p", "18080:80", "-p", "18443:443"]
PUBLISHED = "15201"


def host(stack: ExitStack) -> list[str]:
    """Make a network namespace that goes with the stack; return what brings a command there."""
    holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"], stdin=subprocess.DEVNULL)
    stack.callback(holder.wait)
    stack.callback(holder.kill)
    own = os.stat("/proc/self/ns/net").st_ino
    while os.stat(f"/proc/{holder.pid}/ns/net").st_ino == own:
        time.sleep(0.01)
    prefix = ["nsenter", f"--net=/proc/{holder.pid}/ns/net"]
    for words in (
        "link set lo up",
        "link add up0 type bridge",
        "address add 198.51.100.1/24 dev up0",
        "link set up0 up",
    ):
        subprocess.run([*prefix, "ip", *words.split()], check=True)
    subprocess.run([*prefix, "ip", "route", "add", "default", "via", "198.51.100.2"], check=True)
    return prefix


def together(engine: Engine) -> float:
    """Start all at once and return the seconds until the last has ended; each must succeed."""
    begin = time.perf_counter()
    started = [engine.start(*RUN, engines.IMAGE, "true") for _ in range(AT_ONCE)]
    for process in started:
        _, error = process.communicate()
        if process.returncode:
            raise SystemExit(f"{engine.name}: {error.decode()}")
    return time.perf_counter() - begin


def in_turn(installed: list[Engine], runs: int) -> dict[str, float]:
    """Return the medians of `together`."""
    times: dict[str, list[float]] = {engine.name: [] for engine in installed}
    for _ in range(runs):
        for engine in installed:
            times[engine.name].append(together(engine))
    return {name: statistics.median(values) for name, values in times.items()}


def iperf_archive(place: str) -> str | None:
    """Write a tar of Debian's iperf3 with its libraries; None where that is not installed."""
    program = shutil.which("iperf3")
    if program is None:
        return None
    linked = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout.split()
    archive_path = os.path.join(place, "iperf.tar")
    shutil.copy(os.path.join(place, "busybox.tar"), archive_path)
    with tarfile.open(archive_path, "a") as archive:
        libraries = [word for word in linked if word.startswith("/")]
        # What glibc loads when a thread is to be ended.
        beside = {os.path.join(os.path.dirname(path), "libgcc_s.so.1") for path in libraries}
        for name in [program, *libraries, *filter(os.path.exists, sorted(beside - {*libraries}))]:
            archive.add(os.path.realpath(name), name.lstrip("/"))
    os.chmod(archive_path, 0o644)
    return archive_path


def output(engine: Engine, *arguments: str) -> str:
    """Run a command that must succeed, and return what it prints."""
    command = [*engine.command, *arguments]
    return subprocess.run(command, env=engine.environment, stdout=subprocess.PIPE, check=True, text=True).stdout.strip()


def throughput(hosts: dict[str, list[str]], installed: list[Engine], archive: str, runs: int) -> list[Row]:
    """Measure from the host to a container: by its address on the bridge, and by its published port."""
    servers = {}
    speeds: dict[str, dict[str, list[float]]] = {}
    costs: dict[str, dict[str, list[float]]] = {}
    with ExitStack() as started:
        for engine in installed:
            engine.run("import", archive, IPERF)
            server = output(engine, "run", "-d", "-p", f"{PUBLISHED}:5201", IPERF, "iperf3", "-s")
            started.callback(engine.run, "rm", "-f", server)
            servers[engine.name] = server
        for _ in range(runs):
            for engine in installed:
                address = output(engine, "inspect", "-f", "{{.NetworkSettings.IPAddress}}", servers[engine.name])
                for way, target in (("bridge", [address]), ("published port", ["198.51.100.1", "-p", PUBLISHED])):
                    flow = measured([*hosts[engine.name], "iperf3", "-c", *target])
                    speeds.setdefault(way, {}).setdefault(engine.name, []).append(flow.speed)
                    costs.setdefault(way, {}).setdefault(engine.name, []).append(flow.cost)
    title = "TCP from the host, {}"
    rows = [Row.of(title.format(way), by_name, "Gbit/s") for way, by_name in speeds.items()]
    return rows + [Row.of(f"{title.format(way)}, processor time", by_name, "s/GB") for way, by_name in costs.items()]


@dataclass(frozen=True)
class Flow:
    """What was measured of a connection: Gbit/s that the server received, and processor seconds of both ends per GB.

    The latter hardly depends on what else the machine does.
    """

    speed: float
    cost: float


def measured(command: list[str]) -> Flow:
    """Run a client of iperf3, whose server may not listen yet."""
    for _ in range(50):
        done = subprocess.run([*command, "-t", str(SECONDS), "-J"], stdout=subprocess.PIPE, text=True)
        document = json.loads(done.stdout)
        if "error" not in document:
            end, used = document["end"]["sum_received"], document["end"]["cpu_utilization_percent"]
            busy = (used["host_total"] + used["remote_total"]) / 100 * end["seconds"]
            return Flow(end["bits_per_second"] / 1e9, busy / (end["bytes"] / 1e9))
        time.sleep(0.1)
    raise SystemExit(f"{' '.join(command)}: {document['error']}")


def main() -> None:
    """Measure and report."""
    options = engines.parse(__doc__ or "")
    rows = []
    with engines.scratch() as place, ExitStack() as stack:
        archive = engines.busybox_archive(place)
        hosts = {name: host(stack) for name in ("pod", "podman", "docker")}
        docker = stack.enter_context(engines.docker(place, hosts["docker"]))
        made = [engine for engine in (engines.pod(place), engines.podman(place), docker) if engine]
        installed = [replace(engine, command=[*hosts[engine.name], *engine.command]) for engine in made]
        for engine in installed:
            engine.load(archive)
        aims = {"podman": 0.20, "docker": 0.20}
        for title, extra in (("run --rm on the default bridge", []), ("the same with two published ports", PORTS)):
            medians = engines.measure(installed, *RUN, *extra, engines.IMAGE, "true", runs=options.runs)
            rows.append(Row(title, medians, aims))
        medians = in_turn(installed, max(1, options.runs // 5))
        rows.append(Row(f"{AT_ONCE} of them at once, no ports", medians, {"podman": 0.20}))
        iperf = iperf_archive(place)
        if iperf:
            rows += throughput(hosts, installed, iperf, max(1, options.runs // 5))
    engines.report(rows, as_json=options.json)


if __name__ == "__main__":
    main()
