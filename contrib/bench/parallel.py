#!/usr/bin/env python3
"""32 `run --rm --network none IMAGE true` at once: how many a second, pod beside podman and docker."""

from __future__ import annotations

import statistics
import time

import engines
from engines import Engine, Row

AT_ONCE = 32
COMMAND = ["run", "--rm", "--network", "none", engines.IMAGE, "true"]


def together(engine: Engine) -> float:
    """Start all at once and return the seconds until the last has ended; each must succeed."""
    begin = time.perf_counter()
    started = [engine.start(*COMMAND) for _ in range(AT_ONCE)]
    for process in started:
        _, error = process.communicate()
        if process.returncode:
            raise SystemExit(f"{engine.name}: {error.decode()}")
    return time.perf_counter() - begin


def main() -> None:
    """Measure and report."""
    options = engines.parse(__doc__ or "")
    runs = max(1, options.runs // 5)
    with engines.scratch() as place:
        archive = engines.busybox_archive(place)
        with engines.docker(place) as docker:
            installed = [engine for engine in (engines.pod(place), engines.podman(place), docker) if engine]
            times: dict[str, list[float]] = {engine.name: [] for engine in installed}
            for engine in installed:
                engine.load(archive)
                engine.run(*COMMAND)
            for _ in range(runs):
                for engine in installed:
                    times[engine.name].append(together(engine))
    medians = {name: statistics.median(values) for name, values in times.items()}
    engines.report([Row(f"{AT_ONCE} run --rm at once", medians, {"podman": 0.20})], as_json=options.json)


if __name__ == "__main__":
    main()
