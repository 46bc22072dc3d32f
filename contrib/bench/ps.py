#!/usr/bin/env python3
"""`ps --all` with 1,000 containers: pod beside podman and docker."""

from __future__ import annotations

import engines
from engines import Row

CONTAINERS = 1000


def main() -> None:
    """Measure and report."""
    options = engines.parse(__doc__ or "")
    with engines.scratch() as place, engines.docker(place) as docker:
        archive = engines.busybox_archive(place)
        installed = [engine for engine in (engines.pod(place), engines.podman(place), docker) if engine]
        for engine in installed:
            engine.load(archive)
            for number in range(CONTAINERS):
                engine.run("create", "--name", f"bench{number}", "--network", "none", engines.IMAGE, "true")
        medians = engines.measure(installed, "ps", "--all", runs=options.runs)
    title = f"ps --all with {CONTAINERS:,} containers"
    engines.report([Row(title, medians, {"podman": 0.50})], as_json=options.json)


if __name__ == "__main__":
    main()
