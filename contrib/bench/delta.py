#!/usr/bin/env python3
"""The second `pull` of an image of which one layer was built again: pod beside podman.

Both have the image as it was. Once with eight layers of which one has a file more, gzip and zstd (that layer is fetched
anew); once with one big layer, as zstd:chunked, of which pod fetches the files that it does not have. What each fetches
is told besides.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

import engines
import rebuilt
from engines import Row
from proxy import Proxy
from pull import REGISTRY
from push import registry, rootfs

AIM = {"podman": 0.30}
LAYER = 6  # of eight: numpy, django and what they need


def publish(place: str, address: str) -> None:
    """Push a Debian of one layer as it was and as it is now."""
    maker = engines.pod(f"{place}")
    archive = rootfs(place)
    for tag in ("old", "new"):
        if tag == "new":
            with open(f"{place}/more", "w") as file:
                file.write("one file more\n")
            subprocess.run(["tar", "-C", place, "-rf", archive, "more"], check=True)
        maker.run("import", archive, f"localhost/debian:{tag}")
        maker.run(
            "push", "-q", "--compression-format", "zstd:chunked", f"localhost/debian:{tag}", f"{address}/debian:{tag}"
        )


def seconds(name: str, proxy: Proxy, repository: str) -> tuple[float, int] | None:
    """Time the second pull, and count its bytes; None if the engine is not installed."""
    with engines.scratch() as place:
        engine = engines.pod(place) if name == "pod" else engines.podman(place)
        if engine is None:
            return None
        insecure = ["--tls-verify=false"] if name == "podman" else []
        engine.run("pull", *insecure, "-q", f"{proxy.address}/{repository}:old")
        os.sync()  # what the first pull left to be written
        before, begin = proxy.sent, time.perf_counter()
        engine.run("pull", *insecure, "-q", f"{proxy.address}/{repository}:new")
        return time.perf_counter() - begin, proxy.sent - before


def measure(title: str, proxy: Proxy, repository: str, runs: int) -> Row:
    """Pull with each engine in turn."""
    found: dict[str, list[tuple[float, int]]] = {"pod": [], "podman": []}
    for _ in range(runs):
        for name, values in found.items():
            taken = seconds(name, proxy, repository)
            if taken is not None:
                values.append(taken)
    for name, values in found.items():
        if values:
            print(f"{title}: {name} fetched {values[-1][1] / 1e6:.1f} MB", file=sys.stderr)
    medians = {name: statistics.median(one for one, _ in values) for name, values in found.items() if values}
    return Row(title, medians, AIM)


def main() -> None:
    """Measure and report."""
    options = engines.parse(__doc__ or "")
    rows = []
    for tag in ("gzip", "zstd"):
        with engines.scratch() as place, registry(place) as address, Proxy(address) as proxy:
            rebuilt.publish(REGISTRY, address, "bench/b", tag, LAYER)
            rows.append(measure(f"second pull, one layer of eight rebuilt, {tag}", proxy, "bench/b", options.runs))
    with engines.scratch() as place, registry(place) as address, Proxy(address) as proxy:
        publish(place, address)
        rows.append(measure("pull of a rebuilt Debian, zstd:chunked", proxy, "debian", options.runs))
    engines.report(rows, as_json=options.json)


if __name__ == "__main__":
    main()
