#!/usr/bin/env python3
"""`build`: pod beside podman, buildah and docker's classic builder, all with their cache of steps switched on.

A file of ten steps over a context of 10,000 files, built for the first time and again without a change; three stages
that do not need each other, each of which waits a second; one COPY of 60,000 small files. Steps run without a network.

The file system that this makes has room for eight runs: each engine keeps the 70,000 files of each.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import time
from dataclasses import dataclass, replace

import engines
from engines import Engine, Row

NO_CHANGE = {"podman": 0.25, "buildah": 0.25, "docker": 0.25}
FIRST = {"podman": 0.60, "buildah": 0.60, "docker": 0.60}
BASE = engines.IMAGE


@dataclass(frozen=True)
class Case:
    """A context, and what is measured of it."""

    directory: str
    title: str
    aims: dict[str, float]
    again: str = ""  # the title of the same without a change, if that is measured


def steps(directory: str) -> Case:
    """Make a context of 10,000 files and a Containerfile of ten steps."""
    _files(directory, 100, 100)
    lines = [f"FROM {BASE}", "ENV A=1 B=2", "WORKDIR /srv", "COPY tree /srv/tree", "RUN echo one > /srv/one"]
    lines += ["RUN echo two > /srv/two", "COPY tree/d1 /srv/more", "LABEL kind=bench", "RUN echo three > /srv/three"]
    _containerfile(directory, [*lines, 'CMD ["cat", "/srv/three"]'])
    return Case(directory, "build of ten steps, context of 10,000 files", FIRST, "the same again, nothing changed")


def stages(directory: str) -> Case:
    """Make a Containerfile of three stages that wait for a second each."""
    lines = []
    for name in ("a", "b", "c"):
        lines += [f"FROM {BASE} AS {name}", f"RUN sleep 1 && echo {name} > /{name}"]
    _containerfile(directory, [*lines, f"FROM {BASE}", *(f"COPY --from={name} /{name} /{name}" for name in "abc")])
    return Case(directory, "build of three independent stages of a second each", {"podman": 0.50})


def many(directory: str) -> Case:
    """Make a context of 60,000 files and a Containerfile that copies them."""
    _files(directory, 300, 200)
    _containerfile(directory, [f"FROM {BASE}", "COPY tree /tree"])
    return Case(directory, "COPY of 60,000 small files", {"podman": 0.50, "buildah": 0.50, "docker": 0.50})


def _files(directory: str, directories: int, files: int) -> None:
    for one in range(directories):
        path = os.path.join(directory, "tree", f"d{one}")
        os.makedirs(path)
        for other in range(files):
            with open(os.path.join(path, f"f{other}"), "w") as file:
                file.write(f"{one} {other}\n" * 16)


def _containerfile(directory: str, lines: list[str]) -> None:
    with open(os.path.join(directory, "Dockerfile"), "w") as file:
        file.write("\n".join(lines) + "\n")


def buildah(place: str) -> Engine | None:
    """Return buildah with podman's settings and a store of its own, or None where it is not installed."""
    own = os.path.join(place, "buildah")
    os.mkdir(own)
    podman = engines.podman(own)
    if podman is None or not shutil.which("buildah"):
        return None
    return replace(podman, name="buildah", command=["buildah", "--root", f"{own}/root", "--runroot", f"{own}/run"])


def load(engine: Engine, archive: str) -> None:
    """Make the image that the builds stand on."""
    if engine.name != "buildah":
        engine.load(archive)
        return
    directory = os.path.dirname(archive)
    with open(os.path.join(directory, "Dockerfile"), "w") as file:
        file.write("FROM scratch\nADD busybox.tar /\n")
    engine.run("build", "-q", "-t", BASE, "-f", f"{directory}/Dockerfile", directory)


def build(engine: Engine, case: Case, number: int) -> float:
    """Time one build."""
    words = ["build", "-q", "--network", "none", "-t", f"built{number}"]
    if engine.name == "buildah":
        words[1:2] = ["-q", "--layers", "--runtime", "runc"]
    begin = time.perf_counter()
    engine.run(*words, case.directory)
    return time.perf_counter() - begin


def measure(installed: list[Engine], case: Case, runs: int) -> list[Row]:
    """Build with each engine in turn, from a cache without this build and then again."""
    first: dict[str, list[float]] = {engine.name: [] for engine in installed}
    again: dict[str, list[float]] = {engine.name: [] for engine in installed}
    for number in range(runs):
        with open(os.path.join(case.directory, "Dockerfile")) as file:
            lines = [line for line in file.read().splitlines() if not line.startswith("LABEL run=")]
        # Another label below each stage: no engine knows the steps above it.
        marked = [part for line in lines for part in ([line, f"LABEL run={number}"] if "FROM " in line else [line])]
        _containerfile(case.directory, marked)
        for engine in installed:
            os.sync()
            first[engine.name].append(build(engine, case, number))
            if case.again:
                again[engine.name].append(build(engine, case, number))
    rows = [Row(case.title, {name: statistics.median(values) for name, values in first.items()}, case.aims)]
    if case.again:
        rows.append(Row(case.again, {name: statistics.median(values) for name, values in again.items()}, NO_CHANGE))
    return rows


def main() -> None:
    """Measure and report."""
    options = engines.parse(__doc__ or "")
    rows = []
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(engines.scratch("40G"))
        docker = stack.enter_context(engines.docker(place))
        found = [engines.pod(place), engines.podman(place), docker, buildah(place)]
        installed = [engine for engine in found if engine is not None]
        archive = engines.busybox_archive(place)
        for engine in installed:
            load(engine, archive)
        for name, make in (("steps", steps), ("stages", stages), ("many", many)):
            directory = os.path.join(place, name)
            os.mkdir(directory)
            rows += measure(installed, make(directory), options.runs)
    engines.report(rows, as_json=options.json)


if __name__ == "__main__":
    main()
