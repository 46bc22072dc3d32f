#!/usr/bin/env python3
"""`logs --tail 10` of a log of 1 GB, and `events` of a history: pod beside podman."""

from __future__ import annotations

import glob
import os
import subprocess
import time

import engines
from engines import Engine, Row

RECORD = "2026-11-23T05:53:44.413581056+00:00 stdout F {:>54}\n"
SIZE = 1_000_000_000
EVENTS = 3000  # About what podman keeps.


def main() -> None:
    """Measure and report."""
    options = engines.parse(__doc__ or "")
    with engines.scratch() as place:
        archive = engines.busybox_archive(place)
        installed = [engine for engine in (engines.pod(place), engines.podman(place)) if engine]
        for engine in installed:
            engine.load(archive)
            _make_log(engine)
        logs = engines.measure(installed, "logs", "--tail", "10", "big", runs=options.runs)
        for engine in installed:
            _make_history(engine, place)
        events = engines.measure(installed, "events", "--stream=false", runs=options.runs)
    rows = [
        Row("logs --tail 10 of a log of 1 GB", logs, {"podman": 0.50}),
        Row(f"events --stream=false of {EVENTS:,} events", events, {"podman": 0.50}),
    ]
    engines.report(rows, as_json=options.json)


def output(engine: Engine, *arguments: str) -> str:
    """Return what a command prints."""
    done = subprocess.run(
        [*engine.command, *arguments], env=engine.environment, cwd="/", check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout.strip()


def _make_log(engine: Engine) -> None:
    """Give a container that has run a log of 1 GB."""
    options = ["--name", "big", "--network", "none", "--log-driver", "k8s-file", "--log-opt", "max-size=2gb"]
    engine.run("run", *options, engines.IMAGE, "echo", "one")
    path = output(engine, "inspect", "--format", "{{.HostConfig.LogConfig.Path}}", "big")
    with open(path, "w") as file:
        file.writelines(RECORD.format(number) for number in range(SIZE // 100))
    assert output(engine, "logs", "--tail", "10", "big").split()[-1] == str(SIZE // 100 - 1), engine.name


def _make_history(engine: Engine, place: str) -> None:
    """Repeat an event that the engine has written until there are many of them."""
    engine.run("volume", "create", "bench")
    name = "events/current" if engine.name == "pod" else "events/events.log"
    (path,) = glob.glob(f"{place}/{engine.name}/**/{name}", recursive=True)
    with open(path) as file:
        lines = [line for line in file if '"volume"' in line]
    with open(path, "w") as file:
        file.write(lines[-1] * EVENTS)
    time.sleep(0.1)
    shown = output(engine, "events", "--stream=false").splitlines()
    assert len(shown) == EVENTS, f"{engine.name}: {len(shown)} of {EVENTS} events, {os.path.getsize(path)} bytes"


if __name__ == "__main__":
    main()
