#!/usr/bin/env python3
"""`pull` of an image that was built again, with one file more in its only layer: pod beside podman, zstd:chunked.

Both have the image as it was. pod fetches the files that it does not have; what each fetches is told besides.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

import engines
from engines import Row
from proxy import Proxy
from push import registry, rootfs

AIM = {"podman": 0.30}


def publish(place: str, address: str) -> None:
    """Push a Debian as it was and as it is now."""
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


def seconds(name: str, proxy: Proxy) -> tuple[float, int] | None:
    """Time the second pull, and count its bytes; None if the engine is not installed."""
    with engines.scratch() as place:
        engine = engines.pod(place) if name == "pod" else engines.podman(place)
        if engine is None:
            return None
        insecure = ["--tls-verify=false"] if name == "podman" else []
        engine.run("pull", *insecure, "-q", f"{proxy.address}/debian:old")
        before, begin = proxy.sent, time.perf_counter()
        engine.run("pull", *insecure, "-q", f"{proxy.address}/debian:new")
        return time.perf_counter() - begin, proxy.sent - before


def main() -> None:
    """Measure and report."""
    options = engines.parse(__doc__ or "")
    found: dict[str, list[tuple[float, int]]] = {"pod": [], "podman": []}
    with engines.scratch() as place, registry(place) as address, Proxy(address) as proxy:
        publish(place, address)
        for _ in range(options.runs):
            for name, values in found.items():
                taken = seconds(name, proxy)
                if taken is not None:
                    values.append(taken)
    medians = {name: statistics.median(one for one, _ in values) for name, values in found.items() if values}
    for name, values in found.items():
        if values:
            print(f"{name} fetched {values[-1][1] / 1e6:.1f} MB", file=sys.stderr)
    engines.report([Row("pull of a rebuilt Debian, zstd:chunked", medians, AIM)], as_json=options.json)


if __name__ == "__main__":
    main()
