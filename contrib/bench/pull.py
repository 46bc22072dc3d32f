#!/usr/bin/env python3
"""`pull` of realistic images from a local registry into an empty store: pod beside podman and docker.

Each run has a fresh file system. The images are bench/a (a Debian in one layer), bench/b (eight layers of programs)
and bench/c (60,000 small files), tagged gzip and zstd, at 127.0.0.1:5055 or $POD_BENCH_REGISTRY.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import time
import urllib.request
from typing import TYPE_CHECKING

import engines
from engines import Engine, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

REGISTRY = os.environ.get("POD_BENCH_REGISTRY", "127.0.0.1:5055")
NAMES = ("pod", "podman", "docker")  # root has pod with layers kept as EROFS, too
TITLES = {"a": "1 layer, 9,500 files", "b": "8 layers, 34,500 files", "c": "2 layers, 78,700 files"}
AIM = {"podman": 0.50}
AIM_KEPT = {"podman": 0.30}


@contextlib.contextmanager
def fresh(name: str, user: str | None) -> Iterator[Engine | None]:
    """Give an engine on a file system of its own, which has nothing in it."""
    with engines.scratch() as place:
        if name == "docker":
            with engines.docker(place) as docker:
                yield docker
        else:
            yield (
                engines.podman(place, user) if name == "podman" else engines.pod(place, user, kept=name == engines.KEPT)
            )


def seconds(name: str, user: str | None, reference: str) -> float | None:
    """Time one pull; None if the engine is not installed."""
    with fresh(name, user) as engine:
        if engine is None:
            return None
        begin = time.perf_counter()
        engine.run("pull", *(["--tls-verify=false"] if name == "podman" else []), "-q", reference)
        return time.perf_counter() - begin


def measure(names: tuple[str, ...], user: str | None, reference: str, runs: int) -> dict[str, float]:
    """Pull with each engine in turn, and give the median of each."""
    times: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(runs):
        for name, values in times.items():
            taken = seconds(name, user, reference)
            if taken is not None:
                values.append(taken)
    return {name: statistics.median(values) for name, values in times.items() if values}


def parse() -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20, help="how many times each engine is measured")
    parser.add_argument("--json", action="store_true", help="print rows for contrib/bench/all")
    parser.add_argument("--images", default="a,b,c", help="which images, with commas")
    parser.add_argument("--tag", default="gzip", help="gzip or zstd")
    parser.add_argument("--no-rootless", action="store_true", help="leave the ordinary user out")
    return parser.parse_args()


def main() -> None:
    """Measure and report."""
    options = parse()
    try:
        urllib.request.urlopen(f"http://{REGISTRY}/v2/", timeout=5).close()
    except OSError as error:
        raise SystemExit(f"no images to pull at {REGISTRY}: {error}") from None
    rows = []
    with contextlib.ExitStack() as stack:
        users = [None] if options.no_rootless else [None, stack.enter_context(engines.ordinary_user())]
        for user in users:
            names = (*NAMES, engines.KEPT) if user is None else NAMES[:2]
            if options.tag != "gzip":
                names = tuple(name for name in names if name != "docker")  # Debian's docker knows no zstd
            for image in options.images.split(","):
                medians = measure(names, user, f"{REGISTRY}/bench/{image}:{options.tag}", options.runs)
                who = "root" if user is None else "rootless"
                kept = medians.pop(engines.KEPT, None)
                rows.append(Row(f"pull {TITLES.get(image, image)}, {options.tag}, {who}", medians, AIM))
                if kept is not None:
                    others = {"directories" if name == "pod" else name: value for name, value in medians.items()}
                    title = f"the same, the layers kept as EROFS ({image})"
                    rows.append(Row(title, {"pod": kept, **others}, AIM_KEPT))
    engines.report(rows, as_json=options.json)


if __name__ == "__main__":
    main()
