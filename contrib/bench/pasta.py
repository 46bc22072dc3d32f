#!/usr/bin/env python3
"""Containers of an ordinary user: `run` with pasta and on a bridge, TCP throughput; pod beside podman.

It runs where rootless podman has a pasta of its own generation: in the test machine (a Debian 13, emulated, so that all
takes about ten times as long there), as the user alice. From the clone, as root, once contrib/quickstart has run:

    .venv/bin/python -m tests.system alice python3 /opt/pod/contrib/bench/pasta.py

Both engines have the user's own stores and settings; what is made there is removed.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import ExitStack

import engines
import network
from engines import Engine, Row

RUN = ["run", "--rm"]
WAYS: tuple[tuple[str, list[str], dict[str, float]], ...] = (
    ("run --rm --network pasta", ["--network", "pasta"], {"podman": 0.50}),
    ("the same with a published port", ["--network", "pasta", "-p", "18080:80"], {"podman": 0.50}),
    ("the same on a bridge", ["--network", "bridge", "-p", "18080:80"], {}),
)
HOST = "169.254.1.2"  # what the host is called by pasta


def throughput(installed: list[Engine], archive: str, runs: int) -> list[Row]:
    """Measure through pasta: to a container by its published port, and from a container to the host."""
    address = subprocess.run(["hostname", "-I"], stdout=subprocess.PIPE, check=True, text=True).stdout.split()[0]
    speeds: dict[str, dict[str, list[float]]] = {}
    with ExitStack() as started:
        server = subprocess.Popen(["iperf3", "-s"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        started.callback(server.wait)
        started.callback(server.kill)
        for number, engine in enumerate(installed):
            engine.run("import", archive, network.IPERF)
            options = ["--network", "pasta", "-p", f"{15201 + number}:5201"]
            made = network.output(engine, "run", "-d", *options, network.IPERF, "iperf3", "-s").splitlines()[-1]
            started.callback(engine.run, "rm", "-f", "-t", "0", made)
        for _ in range(runs):
            for number, engine in enumerate(installed):
                port = ["-p", f"{15201 + number}"]
                inside = [*engine.command, *RUN, "--network", "pasta", network.IPERF]
                for way, command in (
                    ("TCP to a published port of the loopback", ["iperf3", "-c", "127.0.0.1", *port]),
                    ("TCP to a published port of the host", ["iperf3", "-c", address, *port]),
                    ("TCP from a container to the host", [*inside, "iperf3", "-c", HOST]),
                ):
                    speeds.setdefault(way, {}).setdefault(engine.name, []).append(network.measured(command).speed)
    return [Row.of(way, by_name, "Gbit/s") for way, by_name in speeds.items()]


def main() -> None:
    """Measure and report."""
    options = engines.parse(__doc__ or "")
    environment = dict(os.environ)
    installed = [Engine(name, [name], environment) for name in ("pod", "podman")]
    with tempfile.TemporaryDirectory(prefix="pb-") as place, ExitStack() as made:
        archive = engines.busybox_archive(place)
        for engine in installed:
            engine.load(archive)
            made.callback(engine.run, "rmi", "--force", engines.IMAGE, network.IPERF)
        rows = []
        for title, words, aims in WAYS:
            command = [*RUN, *words, engines.IMAGE, "true"]
            rows.append(Row(title, engines.measure(installed, *command, runs=options.runs, warmup=2), aims))
        iperf = network.iperf_archive(place)
        if iperf:
            rows += throughput(installed, iperf, max(1, options.runs // 3))
    engines.report(rows, as_json=options.json)


if __name__ == "__main__":
    main()
