#!/usr/bin/env python3
"""`export`, `commit` and `cp` of 200 MB in 2,000 files: pod beside podman and docker."""

from __future__ import annotations

import os

import engines
from engines import Engine, Row

FILES = 2000
KILOBYTES = 100
COPY = f"dd if=/bin/busybox of=/f$i bs=1k count={KILOBYTES} 2>/dev/null"
SCRIPT = f"i=0; while [ $i -lt {FILES} ]; do {COPY}; i=$((i+1)); done"


def main() -> None:
    """Measure and report."""
    options = engines.parse(__doc__ or "")
    runs = max(3, options.runs // 4)
    with engines.scratch() as place, engines.docker(place) as docker:
        archive = engines.busybox_archive(place)
        installed = [engine for engine in (engines.pod(place), engines.podman(place), docker) if engine]
        for engine in installed:
            engine.load(archive)
            engine.run("run", "--name", "bench", "--network", "none", engines.IMAGE, "busybox", "sh", "-c", SCRIPT)
        rows = [
            Row(
                "export of 200 MB in 2,000 files", measure(installed, runs, "export", "-o", f"{place}/out", "bench"), {}
            ),
            Row("commit of the same", measure(installed, runs, "commit", "bench", "localhost/committed"), {}),
            Row("cp of the same into a container", measure(installed, runs, "cp", f"{tree(place)}/.", "bench:/in"), {}),
            Row("cp of the same to the host", measure(installed, runs, "cp", "bench:/in/.", f"{place}/copied"), {}),
        ]
        for engine in installed:
            engine.run("rm", "-f", "bench")
    engines.report(rows, as_json=options.json)


def tree(place: str) -> str:
    """Make the same files on the host."""
    path = f"{place}/tree"
    os.mkdir(path)
    for number in range(FILES):
        with open(f"{path}/f{number}", "wb") as file:
            file.write(os.urandom(KILOBYTES << 10))
    return path


def measure(installed: list[Engine], runs: int, *command: str) -> dict[str, float]:
    """Return the medians of a command."""
    return engines.measure(installed, *command, runs=runs, warmup=1)


if __name__ == "__main__":
    main()
