"""Bundles in the machine, for `pod-runtime` as another engine would call it."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from tests.fixtures.bundle import configuration
from tests.system.machine import Machine
from tests.system.project import ROOTFS

NAME = "box"
BUNDLE = "/srv/bundle"
_CGROUP_MOUNT = {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup"}


def spec(*args: str, resources: dict[str, Any] | None = None, cgroup: str = "rw") -> dict[str, Any]:
    """Return a configuration with limits, a cgroup namespace, and its cgroup mounted `rw` or `ro`."""
    made = configuration(*args)
    made["root"] = {"path": ROOTFS}
    made["linux"]["namespaces"].append({"type": "cgroup"})
    made["linux"]["cgroupsPath"] = f"/{NAME}"
    made["linux"]["resources"] = resources or {}
    made["mounts"].append({**_CGROUP_MOUNT, "options": ["nosuid", "noexec", "nodev", "relatime", cgroup]})
    return made


class Runtime:
    """`pod-runtime` of root."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def __call__(self, *words: str, check: bool = True, timeout: float = 180) -> subprocess.CompletedProcess[str]:
        """Run `pod-runtime WORDS`."""
        __tracebackhide__ = True
        return self.machine.run("root", "pod-runtime", *words, check=check, timeout=timeout)

    def configure(self, document: dict[str, Any]) -> None:
        """Write config.json of the bundle."""
        self.machine.shell("root", f"mkdir -p {BUNDLE}; cat > {BUNDLE}/config.json", input=json.dumps(document))

    def run(self, document: dict[str, Any], *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a container to its end."""
        __tracebackhide__ = True
        self.configure(document)
        return self("run", "--bundle", BUNDLE, NAME, check=check)

    def start(self, document: dict[str, Any]) -> int:
        """Create and start a container that goes on; return its pid."""
        __tracebackhide__ = True
        self.configure(document)
        command = (
            f"pod-runtime create --bundle {BUNDLE} {NAME} </dev/null >/tmp/log 2>&1 || {{ cat /tmp/log; exit 1; }}"
        )
        self.machine.shell("root", f"{command}; pod-runtime start {NAME}")
        return int(json.loads(self("state", NAME).stdout)["pid"])
