#!/usr/bin/env python3
"""Peak memory of what moves images: all processes of a command together at one moment, pod beside podman.

Counted is the proportional set size (PSS) of the command and of all that descends from it, sampled every few
milliseconds: memory that processes share counts once. The images are those of pull.py.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import statistics
import threading
import time
from typing import TYPE_CHECKING

import engines
from engines import Engine, Row
from pull import REGISTRY, fresh
from push import registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TAGS = ("gzip", "zstd", "zstd-chunked")
FORMATS = ("docker-archive", "oci-archive")
_INTERVAL = 0.004
_SUBREAPER = 36  # linux/prctl.h, PR_SET_CHILD_SUBREAPER


class Sampler:
    """Watches what descends from this process while it is entered; `peak` is in bytes."""

    def __init__(self) -> None:
        self.peak = 0
        self._ended = threading.Event()
        self._own = {os.getpid(), *descendants(os.getpid())}
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.is_set():
            new = [pid for pid in descendants(os.getpid()) if pid not in self._own]
            self.peak = max(self.peak, sum(map(proportional, new)))
            time.sleep(_INTERVAL)


def descendants(pid: int) -> Iterator[int]:
    """Yield all processes below one."""
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                children = [int(word) for word in file.read().split()]
            for child in children:
                yield child
                yield from descendants(child)


def proportional(pid: int) -> int:
    """Return the PSS of a process in bytes; 0 if it has ended."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup") as file:
        for line in file:
            if line.startswith("Pss:"):
                return int(line.split()[1]) << 10
    return 0


def peak(engine: Engine, *arguments: str) -> float:
    """Run a command, and return its peak in MB."""
    with Sampler() as sampler:
        engine.run(*arguments)
    return sampler.peak / 1e6


def insecure(name: str) -> list[str]:
    """Return the flag that podman wants for a registry without TLS."""
    return ["--tls-verify=false"] if name == "podman" else []


def pulls(name: str, user: str | None, tag: str) -> float | None:
    """Measure the largest of the pulls of the three images into one empty store after the other."""
    found = []
    for image in ("a", "b", "c"):
        with fresh(name, user) as engine:
            if engine is None:
                return None
            found.append(peak(engine, "pull", *insecure(name), "-q", f"{REGISTRY}/bench/{image}:{tag}"))
    return max(found)


def others(name: str, user: str | None) -> dict[str, float]:
    """Measure what is done with an image that is there: b, of eight layers."""
    found = {}
    with fresh(name, user) as engine:
        if engine is None:
            return {}
        home, image = engine.environment["HOME"], f"{REGISTRY}/bench/b:gzip"
        engine.run("pull", *insecure(name), "-q", image)
        with registry(home) as address:
            found["push"] = peak(engine, "push", *insecure(name), "-q", image, f"{address}/b:1")
            words = ["--compression-format", "zstd", *insecure(name)]
            found["push, compressed anew"] = peak(engine, "push", *words, "-q", image, f"{address}/b:2")
        if engine.name == "pod":
            found["system check"] = peak(engine, "system", "check")
        archives = {form: os.path.join(home, form) for form in FORMATS}
        for form, path in archives.items():
            found[f"save, {form}"] = peak(engine, "save", "-q", "--format", form, "-o", path, image)
        engine.run("rmi", image)
        for form, path in archives.items():
            found[f"load, {form}"] = peak(engine, "load", "-q", "-i", path)
            engine.run("rmi", "--all", "--force")
    return found


def measure(user: str | None, runs: int) -> Iterator[Row]:
    """Yield the lines of one user."""
    who = "rootless" if user else "root"
    for tag in TAGS:
        yield row(f"peak memory of pull, {tag}, {who}", runs, lambda name, tag=tag: pulls(name, user, tag))
    if user is None:
        for tag in TAGS:
            values = [value for _ in range(runs) if (value := pulls(engines.KEPT, None, tag)) is not None]
            yield Row(f"the same, {tag}, layers kept as EROFS", {"pod": statistics.median(values)}, {}, "MB")
    found = {name: [others(name, user) for _ in range(runs)] for name in installed()}
    for what in found["pod"][0]:
        medians = {
            name: statistics.median(one[what] for one in all_) for name, all_ in found.items() if what in all_[0]
        }
        yield Row(f"{what}, {who}", medians, {}, "MB")


def row(title: str, runs: int, once: Callable[[str], float | None]) -> Row:
    """Measure with each engine in turn."""
    values: dict[str, list[float]] = {name: [] for name in installed()}
    for _ in range(runs):
        for name, found in values.items():
            value = once(name)
            if value is not None:
                found.append(value)
    return Row(title, {name: statistics.median(found) for name, found in values.items()}, {}, "MB")


def installed() -> list[str]:
    """List the engines to measure; docker's memory is its daemon's, and cannot be told from what else that does."""
    return ["pod", *(["podman"] if shutil.which("podman") and shutil.which("runc") else [])]


def main() -> None:
    """Measure and report."""
    options = engines.parse(__doc__ or "")
    # What detaches itself from a command stays below this process.
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    runs = max(1, min(3, options.runs))
    rows = list(measure(None, runs))
    with engines.ordinary_user() as user:
        rows += measure(user, runs)
    engines.report(rows, as_json=options.json)


if __name__ == "__main__":
    main()
