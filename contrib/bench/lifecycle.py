#!/usr/bin/env python3
"""`start`, `stop` and `inspect` of a container that ends as it is asked to: pod beside podman and docker."""

from __future__ import annotations

import statistics
import time

import engines
from engines import Engine, Row

WARMUP = 3
# A shell that is PID 1 and ends at SIGTERM at once.
PROGRAM = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1000 & wait; done")
AIM = {"podman": 0.50}


def main() -> None:
    """Measure and report."""
    options = engines.parse(__doc__ or "")
    with engines.scratch() as place, engines.docker(place) as docker:
        archive = engines.busybox_archive(place)
        installed = [engine for engine in (engines.pod(place), engines.podman(place), docker) if engine]
        for engine in installed:
            engine.load(archive)
            engine.run("create", "--name", "bench", "--network", "none", engines.IMAGE, *PROGRAM)
        try:
            rows = measure(installed, options.runs)
        finally:
            for engine in installed:
                engine.run("rm", "-f", "bench")
    engines.report(rows, as_json=options.json)


def measure(installed: list[Engine], runs: int) -> list[Row]:
    """Start, inspect and stop with each engine in turn; return a row for each of the three."""
    commands = (("start", "bench"), ("inspect", "bench"), ("stop", "bench"))
    times: dict[str, dict[str, list[float]]] = {
        words[0]: {engine.name: [] for engine in installed} for words in commands
    }
    for number in range(WARMUP + runs):
        for words in commands:
            for engine in installed:
                begin = time.perf_counter()
                engine.run(*words)
                if number >= WARMUP:
                    times[words[0]][engine.name].append(time.perf_counter() - begin)
            time.sleep(0.05)  # for the program to have set its trap
    return [
        Row(f"{verb} CONTAINER", {name: statistics.median(values) for name, values in found.items()}, AIM)
        for verb, found in times.items()
    ]


if __name__ == "__main__":
    main()
