#!/usr/bin/env python3
"""`pod-runtime run` of a bundle that runs `true`, beside runc and crun, with the configuration that podman writes.

Needs root. crun refuses cgroup v1 with a v2 hierarchy beside it: there it is measured in a mount namespace of ours that
shows the v2 hierarchy alone, the others too.
"""

from __future__ import annotations

import json
import os
import shutil
import sys

import engines
from engines import Engine, Row

sys.path.insert(0, engines.CLONE)
from pod.containers.security.seccomp_profile import default_profile
from runtime import syscalls
from runtime.kernel import CLONE_NEWNS, MS_PRIVATE, MS_REC
from tests.fixtures import bundle

CGROUPS = "/sys/fs/cgroup"


def write_bundle(directory: str, *, seccomp: bool) -> str:
    """Make a bundle in `directory` and return its path."""
    path = os.path.join(directory, f"bundle-{int(seccomp)}")
    os.mkdir(path)
    bundle.make_rootfs(f"{path}/rootfs")
    configuration = bundle.configuration("true")
    configuration["linux"]["cgroupsPath"] = "/pod-bench"
    if seccomp:
        configuration["linux"]["seccomp"] = default_profile(bundle.CAPABILITIES)
    with open(f"{path}/config.json", "w") as file:
        json.dump(configuration, file)
    return path


def runtimes(place: str, *names: str) -> list[Engine]:
    """Return ours and those of `names` that are installed."""
    own = os.path.join(os.path.dirname(engines.find_pod()), "pod-runtime")
    programs = {"pod": own} | {name: shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin") for name in names}
    return [
        Engine(name, [program, "--root", f"{place}/{name}-state"], engines.CLEAN)
        for name, program in programs.items()
        if program
    ]


def show_unified_only() -> None:
    """Give this process a mount namespace in which cgroup v2 is all that there is, as crun demands."""
    syscalls.unshare(CLONE_NEWNS)
    syscalls.mount(None, "/", None, MS_PRIVATE | MS_REC)
    syscalls.mount("cgroup2", CGROUPS, "cgroup2")


def main() -> None:
    """Measure and report."""
    options = engines.parse(__doc__ or "")
    rows = []
    hybrid = os.path.isdir(f"{CGROUPS}/unified")

    def measure(title: str, installed: list[Engine], place: str, *, seccomp: bool) -> None:
        path = write_bundle(place, seccomp=seccomp)
        medians = engines.measure(installed, "run", "--bundle", path, "bench", runs=options.runs)
        rows.append(Row(title, medians, {"runc": 0.6}))

    if hybrid:
        with engines.scratch("1G") as place:
            installed = runtimes(place, "runc")
            measure("pod-runtime run, cgroup v1", installed, place, seccomp=True)
        show_unified_only()
    with engines.scratch("1G") as place:
        installed = runtimes(place, "runc", "crun")
        measure("pod-runtime run, cgroup v2", installed, place, seccomp=True)
        measure("the same without seccomp", installed, place, seccomp=False)
    engines.report(rows, as_json=options.json)


if __name__ == "__main__":
    main()
