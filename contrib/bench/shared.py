#!/usr/bin/env python3
"""The pull of an image whose files the store has, as zstd:chunked: what they take of the disk, and the time.

Once the image is the same but for a file (files are hard links to the other layer's), once every file has a new time,
as after a build (they share their contents where the file system can clone: xfs, not ext4).
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tarfile
import time

import engines
from engines import Row
from push import registry

SOURCE = "/usr/sbin"
KINDS = ("ext4", "xfs")


def publish(place: str, address: str) -> None:
    """Push a tree of this machine, with a file more, and with new times."""
    maker = engines.pod(place)
    for tag in ("old", "more", "touched"):
        archive = f"{place}/{tag}.tar"
        with tarfile.open(archive, "w") as file:
            file.add(SOURCE, "lib", filter=later if tag == "touched" else None)
            if tag != "old":
                file.addfile(tarfile.TarInfo(f"one-file-{tag}"))
        maker.run("import", archive, f"localhost/shared:{tag}")
        target = f"{address}/shared:{tag}"
        maker.run("push", "-q", "--compression-format", "zstd:chunked", f"localhost/shared:{tag}", target)


def later(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Return a file that was written again."""
    entry.mtime += 1
    return entry


def used(place: str) -> int:
    """Return the bytes that are taken on a file system."""
    subprocess.run(["sync", "-f", place], check=True)
    status = os.statvfs(place)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


def second_pull(address: str, tag: str, kind: str) -> tuple[float, float]:
    """Pull the image as it was, and then another one; return the seconds and the MB of disk that the latter took."""
    with engines.scratch(kind=kind) as place:
        engine = engines.pod(place)
        engine.run("pull", "-q", f"{address}/shared:old")
        before, begin = used(place), time.perf_counter()
        engine.run("pull", "-q", f"{address}/shared:{tag}")
        return time.perf_counter() - begin, (used(place) - before) / 1e6


def main() -> None:
    """Measure and report."""
    options = engines.parse(__doc__ or "")
    rows = []
    with engines.scratch() as place, registry(place) as address:
        publish(place, address)
        for tag, title in (("more", "with a file more"), ("touched", "with new times")):
            found = {kind: [second_pull(address, tag, kind) for _ in range(options.runs)] for kind in KINDS}
            for unit, which in (("s", 0), ("MB", 1)):
                medians = {f"pod on {kind}": statistics.median(one[which] for one in found[kind]) for kind in KINDS}
                rows.append(Row(f"pull of a tree that is there, {title}", medians, {}, unit))
    engines.report(rows, as_json=options.json)


if __name__ == "__main__":
    main()
