#!/usr/bin/env python3
"""From `systemctl start` of a `.container` to its READY: pod's quadlet beside podman's, of the same file.

It runs where systemd and podman's quadlet are: in the test machine (a Debian 13, emulated, so that all takes about ten
times as long there), as root or as the user alice. From the clone, as root, once contrib/quickstart has run:

    .venv/bin/python -m tests.system alice python3 /opt/pod/contrib/bench/quadlet.py

Each start makes a new container, for a service removes its own at its stop. No service waits for the network to be
online: nothing brings that about in the test machine, and each start of alice's would last until that wait gives up.
Both engines have the user's own stores; what is made there is removed.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from contextlib import ExitStack

import engines
from engines import Engine, Row

GENERATORS = {"pod": "/usr/local/bin/pod-quadlet", "podman": "/usr/libexec/podman/quadlet"}
FILE = """[Container]
Image={image}
Exec=sleep 100000
StopTimeout=0
Volume=%t:/host:ro
Environment=KEY=value
{more}

[Quadlet]
DefaultDependencies=false

[Service]
TimeoutStartSec=300
"""
WAYS = (
    ("start of a .container to READY, no network", "Network=none"),
    ("the same on a network, with a published port", "Network={network}\nPublishPort=18080:80"),
)


def generate(engine: str, more: str, place: str) -> str:
    """Have a generator make the service, where systemd finds units of this run; return the service's name."""
    is_root = os.getuid() == 0
    target = "/run/systemd/system" if is_root else f"{os.environ['XDG_RUNTIME_DIR']}/systemd/user"
    os.makedirs(target, exist_ok=True)
    files, made = os.path.join(place, f"{engine}-files"), os.path.join(place, f"{engine}-made")
    for directory in (files, made):
        os.makedirs(directory, exist_ok=True)
    name = f"bench-{engine}"
    with open(os.path.join(files, f"{name}.container"), "w") as file:
        file.write(FILE.format(image=engines.IMAGE, more=more))
    command = [GENERATORS[engine], *([] if is_root else ["--user"]), "--no-kmsg-log", made]
    subprocess.run(command, env=os.environ | {"QUADLET_UNIT_DIRS": files}, check=True)
    shutil.copy(os.path.join(made, f"{name}.service"), target)
    return os.path.join(target, f"{name}.service")


def systemctl(*words: str) -> None:
    """Ask the user's own systemd."""
    subprocess.run(["systemctl", *([] if os.getuid() == 0 else ["--user"]), *words], check=True)


def measure(names: list[str], runs: int) -> dict[str, list[float]]:
    """Start each service in turn; the first time does not count."""
    taken: dict[str, list[float]] = {name: [] for name in names}
    for number in range(runs + 1):
        for name in names:
            began = time.monotonic()
            systemctl("start", f"bench-{name}")
            seconds = time.monotonic() - began
            systemctl("stop", f"bench-{name}")
            if number:
                taken[name].append(seconds)
    return taken


def main() -> None:
    """Measure and report."""
    options = engines.parse(__doc__ or "")
    installed = [Engine(name, [name], dict(os.environ)) for name in GENERATORS]
    network = "bridge" if os.getuid() == 0 else "pasta"
    with tempfile.TemporaryDirectory(prefix="pb-") as place, ExitStack() as made:
        archive = engines.busybox_archive(place)
        for engine in installed:
            engine.load(archive)
            made.callback(engine.run, "rmi", "--force", engines.IMAGE)
        rows = []
        for title, more in WAYS:
            paths = [generate(engine.name, more.format(network=network), place) for engine in installed]
            systemctl("daemon-reload")
            try:
                taken = measure([engine.name for engine in installed], options.runs)
            finally:
                for path in paths:
                    systemctl("stop", os.path.basename(path))
                    os.unlink(path)
                systemctl("daemon-reload")
            medians = {name: statistics.median(seconds) for name, seconds in taken.items()}
            ranges = {name: (min(seconds), max(seconds)) for name, seconds in taken.items()}
            rows.append(Row(title, medians, {"podman": 0.5}, "s", ranges))
    engines.report(rows, as_json=options.json)


if __name__ == "__main__":
    main()
