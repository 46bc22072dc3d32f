#!/usr/bin/env python3
"""`save` and `load` of a Debian image of one layer, 180 MB: pod beside podman and docker, by archives of both kinds.

Each run has a fresh file system. The image is bench/a at 127.0.0.1:5055 or $POD_BENCH_REGISTRY, as for pull.py.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import time
import urllib.request

import engines
from engines import Engine, Row
from pull import NAMES, REGISTRY, fresh

AIM = {"podman": 0.70}
FORMATS = ("docker-archive", "oci-archive")


def seconds(engine: Engine, *words: str) -> float:
    """Time one command."""
    begin = time.perf_counter()
    engine.run(*words)
    return time.perf_counter() - begin


def once(name: str, user: str | None, reference: str, kind: str) -> tuple[float, float] | None:
    """Time one save, and one load into a store without the image; None if the engine does not know how."""
    if name == "docker" and kind != "docker-archive":
        return None
    with fresh(name, user) as engine:
        if engine is None:
            return None
        engine.run("pull", *(["--tls-verify=false"] if name == "podman" else []), "-q", reference)
        archive = os.path.join(engine.environment["HOME"], "archive.tar")
        form = [] if name == "docker" else ["-q", "--format", kind]
        saving = seconds(engine, "save", *form, "-o", archive, reference)
        engine.run("rmi", reference)
        return saving, seconds(engine, "load", "-q", "-i", archive)


def measure(names: tuple[str, ...], user: str | None, reference: str, kind: str, runs: int) -> list[dict[str, float]]:
    """Save and load with each engine in turn, and give the medians of each, of saving and of loading."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for _ in range(runs):
        for name, values in times.items():
            taken = once(name, user, reference, kind)
            if taken is not None:
                values.append(taken)
    return [
        {name: statistics.median(pair[which] for pair in values) for name, values in times.items() if values}
        for which in (0, 1)
    ]


def parse() -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10, help="how many times each engine is measured")
    parser.add_argument("--json", action="store_true", help="print rows for contrib/bench/all")
    parser.add_argument("--formats", default=",".join(FORMATS), help="which kinds of archives, with commas")
    parser.add_argument("--no-rootless", action="store_true", help="leave the ordinary user out")
    return parser.parse_args()


def main() -> None:
    """Measure and report."""
    options = parse()
    try:
        urllib.request.urlopen(f"http://{REGISTRY}/v2/", timeout=5).close()
    except OSError as error:
        raise SystemExit(f"no image at {REGISTRY}: {error}") from None
    rows = []
    with contextlib.ExitStack() as stack:
        users = [None] if options.no_rootless else [None, stack.enter_context(engines.ordinary_user())]
        for user in users:
            who, names = ("root", NAMES) if user is None else ("rootless", NAMES[:2])
            for kind in options.formats.split(","):
                saving, loading = measure(names, user, f"{REGISTRY}/bench/a:gzip", kind, options.runs)
                rows.append(Row(f"save, {kind}, {who}", saving, AIM))
                rows.append(Row(f"load, {kind}, {who}", loading, AIM))
    engines.report(rows, as_json=options.json)


if __name__ == "__main__":
    main()
