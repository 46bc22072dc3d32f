#!/usr/bin/env python3
"""`run --rm --network none IMAGE true`: pod beside podman and docker, as root and as an ordinary user."""

from __future__ import annotations

import os

import engines
from engines import Engine, Row

COMMAND = ["run", "--rm", "--network", "none", engines.IMAGE, "true"]


def measure(installed: list[Engine], archive: str, runs: int) -> dict[str, float]:
    """Load the image into each engine and measure the command."""
    for engine in installed:
        engine.load(archive)
    return engines.measure(installed, *COMMAND, runs=runs)


def main() -> None:
    """Measure and report."""
    options = engines.parse(__doc__ or "")
    rows = []
    with engines.scratch() as place:
        archive = engines.busybox_archive(place)
        with engines.docker(place) as docker:
            found = (engines.pod(place), engines.podman(place), docker, engines.pod(place, kept=True))
            installed = [engine for engine in found if engine]
            medians = measure(installed, archive, options.runs)
            kept = {"pod": medians.pop(engines.KEPT), "directories": medians["pod"]}
            rows.append(Row("run --rm --network none IMAGE true", medians, {"podman": 0.30, "docker": 0.25}))
            rows.append(Row("the same, the layers kept as EROFS", kept, {}))
        if os.getuid() == 0:
            with engines.ordinary_user() as user:
                installed = [engine for engine in (engines.pod(place, user), engines.podman(place, user)) if engine]
                medians = measure(installed, archive, options.runs)
                rows.append(Row("the same, rootless", medians, {}))
    engines.report(rows, as_json=options.json)


if __name__ == "__main__":
    main()
