#!/usr/bin/env python3
"""`images` with 500 images of one small layer each: pod beside podman and docker.

Of images that all have the same layer podman makes a list in minutes: it looks at every pair of them.
"""

from __future__ import annotations

import io
import os
import tarfile

import engines
from engines import Row

IMAGES = 500


def archive(place: str, number: int) -> str:
    """Write the tar of a file system that no other image has, and return its path."""
    path = os.path.join(place, "image.tar")
    content = b"%d\n" % number
    with tarfile.open(path, "w") as tar:
        file = tarfile.TarInfo("number")
        file.size = len(content)
        tar.addfile(file, io.BytesIO(content))
    os.chmod(path, 0o644)
    return path


def main() -> None:
    """Measure and report."""
    options = engines.parse(__doc__ or "")
    with engines.scratch() as place, engines.docker(place) as docker:
        installed = [engine for engine in (engines.pod(place), engines.podman(place), docker) if engine]
        for number in range(IMAGES):
            path = archive(place, number)
            for engine in installed:
                engine.run("import", path, f"localhost/bench{number}:latest")
        medians = engines.measure(installed, "images", runs=options.runs)
    engines.report([Row(f"images with {IMAGES} images", medians, {"podman": 0.30})], as_json=options.json)


if __name__ == "__main__":
    main()
