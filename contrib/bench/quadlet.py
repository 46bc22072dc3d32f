#!/usr/bin/env python3
"""From `systemctl start` of a `.container` to its READY: pod's quadlet beside podman's, of the same file.

It runs where systemd and podman's quadlet are: in the test machine (a Debian 13, emulated, so that all takes about ten
times as long there), as root or as the user alice. From the clone, as root, once contrib/quickstart has run:

    .venv/bin/python -m tests.system alice python3 /opt/pod/contrib/bench/quadlet.py

Each start makes a new container, for a service removes its own at its stop. No service waits for the network to be
online: nothing brings that about in the test machine, and each start of alice's would last until that wait gives up.
Both engines have the user's own stores; what is made there is removed.

Beside them are what no engine can undercut there: a service that says READY from a shell, one that does so from a bare
interpreter, and, for an ordinary user, that one behind newuidmap(1) and newgidmap(1). podman needs these once per boot:
a process of its own stays behind and holds its namespace.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace

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
# What says READY and nothing else, by what it costs: the least that a service of any engine in Python takes.
FLOORS = {
    "a shell": "/bin/sh -c 'systemd-notify --ready; exec sleep 100000'",
    "a bare interpreter": "/usr/bin/python3 -IS {script}",
    "the same, IDs mapped": "/usr/bin/unshare --map-root-user --map-auto /usr/bin/python3 -IS {script}",
}
FLOOR = """[Unit]
DefaultDependencies=false

[Service]
Type=notify
NotifyAccess=all
Delegate=yes
KillMode=mixed
ExecStart={command}
"""
READY = """import os, _socket, time
notify = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
notify.connect(os.environ["NOTIFY_SOCKET"])
notify.send(b"READY=1")
time.sleep(100000)
"""


def units() -> str:
    """Return where systemd finds units of this run."""
    target = "/run/systemd/system" if os.getuid() == 0 else f"{os.environ['XDG_RUNTIME_DIR']}/systemd/user"
    os.makedirs(target, exist_ok=True)
    return target


def floors(place: str) -> dict[str, str]:
    """Write the services that do next to nothing; return their files."""
    script = os.path.join(place, "ready.py")
    with open(script, "w") as file:
        file.write(READY)
    os.chmod(place, 0o755)
    written = {}
    for number, (name, command) in enumerate(FLOORS.items()):
        if os.getuid() == 0 and "unshare" in command:
            continue
        path = os.path.join(units(), f"bench-floor{number}.service")
        with open(path, "w") as file:
            file.write(FLOOR.format(command=command.format(script=script)))
        written[name] = path
    return written


def generate(engine: str, more: str, place: str) -> str:
    """Have a generator make the service, where systemd finds units of this run; return its file."""
    files, made = os.path.join(place, f"{engine}-files"), os.path.join(place, f"{engine}-made")
    for directory in (files, made):
        os.makedirs(directory, exist_ok=True)
    name = f"bench-{engine}"
    with open(os.path.join(files, f"{name}.container"), "w") as file:
        file.write(FILE.format(image=engines.IMAGE, more=more))
    command = [GENERATORS[engine], *([] if os.getuid() == 0 else ["--user"]), "--no-kmsg-log", made]
    subprocess.run(command, env=os.environ | {"QUADLET_UNIT_DIRS": files}, check=True)
    return shutil.copy(os.path.join(made, f"{name}.service"), units())


def systemctl(*words: str) -> None:
    """Ask the user's own systemd."""
    subprocess.run(["systemctl", *([] if os.getuid() == 0 else ["--user"]), *words], check=True)


def measure(services: dict[str, str], runs: int) -> dict[str, list[float]]:
    """Start each service in turn, given its file; the first time does not count."""
    taken: dict[str, list[float]] = {name: [] for name in services}
    systemctl("daemon-reload")
    try:
        for number in range(runs + 1):
            for name, path in services.items():
                service = os.path.basename(path)
                began = time.monotonic()
                systemctl("start", service)
                seconds = time.monotonic() - began
                systemctl("stop", service)
                if number:
                    taken[name].append(seconds)
    finally:
        for path in services.values():
            systemctl("stop", os.path.basename(path))
            os.unlink(path)
        systemctl("daemon-reload")
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
            services = {one.name: generate(one.name, more.format(network=network), place) for one in installed}
            if not rows:
                services |= floors(place)
            row = Row.of(title, measure(services, options.runs), "s")
            rows.append(replace(row, aims={"podman": 0.5}))
    engines.report(rows, as_json=options.json)


if __name__ == "__main__":
    main()
