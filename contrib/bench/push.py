#!/usr/bin/env python3
"""`push` of a Debian in one layer to an empty registry: pod beside podman.

Once of an image that was pulled from another registry, once of one that was imported and never was compressed. Each
run has a fresh file system, store and registry; the images come from the registry that pull.py uses.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import shutil
import socket
import statistics
import subprocess
import time
import urllib.request
from typing import TYPE_CHECKING

import engines
from engines import Row
from pull import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engines import Engine

SOURCE = f"{REGISTRY}/bench/a:gzip"
ACCEPT = "application/vnd.oci.image.manifest.v1+json"
AIM = {"podman": 0.70}


@contextlib.contextmanager
def registry(place: str) -> Iterator[str]:
    """Run an empty docker-registry on the loopback device."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    settings = os.path.join(place, "registry.yml")
    with open(settings, "w") as file:
        file.write(
            "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
            f"storage: {{filesystem: {{rootdirectory: {place}/registry}}}}\nhttp: {{addr: '{address}'}}\n"
        )
    server = subprocess.Popen(
        ["docker-registry", "serve", settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(100):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://{address}/v2/", timeout=5).close()
                break
            time.sleep(0.05)
        yield address
    finally:
        server.terminate()
        server.wait()


def rootfs(place: str) -> str:
    """Write the tar of the Debian's only layer."""
    path = os.path.join(place, "debian.tar")
    request = urllib.request.Request(f"http://{REGISTRY}/v2/bench/a/manifests/gzip", headers={"Accept": ACCEPT})
    with urllib.request.urlopen(request, timeout=30) as answer:
        digest = json.load(answer)["layers"][0]["digest"]
    blob = urllib.request.urlopen(f"http://{REGISTRY}/v2/bench/a/blobs/{digest}", timeout=60)
    with blob, gzip.open(blob) as unpacked, open(path, "wb") as file:
        shutil.copyfileobj(unpacked, file, 1 << 20)
    os.chmod(path, 0o644)
    return path


def seconds(name: str, user: str | None, *, imported: bool) -> float | None:
    """Time one push; None if the engine is not installed."""
    with engines.scratch() as place, registry(place) as address:
        engine: Engine | None = engines.pod(place, user) if name == "pod" else engines.podman(place, user)
        if engine is None:
            return None
        insecure = ["--tls-verify=false"] if name == "podman" else []
        if imported:
            engine.load(rootfs(place))
            image = engines.IMAGE
        else:
            engine.run("pull", *insecure, "-q", SOURCE)
            image = SOURCE
        os.sync()
        begin = time.perf_counter()
        engine.run("push", *insecure, "-q", image, f"{address}/bench/pushed:1")
        return time.perf_counter() - begin


def main() -> None:
    """Measure and report."""
    options = engines.parse(__doc__ or "")
    try:
        urllib.request.urlopen(f"http://{REGISTRY}/v2/", timeout=5).close()
    except OSError as error:
        raise SystemExit(f"no images to push from {REGISTRY}: {error}") from None
    rows = []
    with engines.ordinary_user() as ordinary:
        for user in (None, ordinary):
            for imported in (False, True):
                times: dict[str, list[float]] = {"pod": [], "podman": []}
                for _ in range(options.runs):
                    for name, values in times.items():
                        taken = seconds(name, user, imported=imported)
                        if taken is not None:
                            values.append(taken)
                medians = {name: statistics.median(values) for name, values in times.items() if values}
                what = "imported" if imported else "pulled"
                rows.append(Row(f"push a Debian that was {what}, {'rootless' if user else 'root'}", medians, AIM))
    engines.report(rows, as_json=options.json)


if __name__ == "__main__":
    main()
