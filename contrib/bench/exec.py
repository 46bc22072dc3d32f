#!/usr/bin/env python3
"""`exec CONTAINER true` in a running container: pod beside podman and docker."""

from __future__ import annotations

import engines
from engines import Row


def main() -> None:
    """Measure and report."""
    options = engines.parse(__doc__ or "")
    with engines.scratch() as place, engines.docker(place) as docker:
        archive = engines.busybox_archive(place)
        installed = [engine for engine in (engines.pod(place), engines.podman(place), docker) if engine]
        for engine in installed:
            engine.load(archive)
            engine.run("run", "-d", "--name", "bench", "--network", "none", engines.IMAGE, "sleep", "100000")
        try:
            medians = engines.measure(installed, "exec", "bench", "true", runs=options.runs)
        finally:
            for engine in installed:
                engine.run("rm", "-f", "bench")
    engines.report([Row("exec CONTAINER true", medians, {"podman": 0.35})], as_json=options.json)


if __name__ == "__main__":
    main()
