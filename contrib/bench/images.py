#!/usr/bin/env python3
"""`images` with 500 images: pod beside podman and docker.

The images differ in their configs only: one tar is imported again and again, each time with another label.
"""

from __future__ import annotations

import engines
from engines import Row

IMAGES = 500


def main() -> None:
    """Measure and report."""
    options = engines.parse(__doc__ or "")
    with engines.scratch() as place, engines.docker(place) as docker:
        archive = engines.busybox_archive(place)
        installed = [engine for engine in (engines.pod(place), engines.podman(place), docker) if engine]
        for engine in installed:
            for number in range(IMAGES):
                engine.run("import", "--change", f"LABEL number={number}", archive, f"localhost/bench{number}:latest")
        rows = [
            Row(
                f"{' '.join(words)} with {IMAGES} images",
                engines.measure(installed, *words, runs=options.runs),
                {"podman": 0.30},
            )
            for words in (["images"], ["images", "--quiet"])
        ]
    engines.report(rows, as_json=options.json)


if __name__ == "__main__":
    main()
