"""Containers as small machines: a Debian whose process 1 is its own systemd, of root and of an ordinary user."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile

import pytest

from tests.fixtures import debian
from tests.system.image import SUITE
from tests.system.machine import Machine
from tests.system.units import eventually

_PACKAGES = "systemd systemd-sysv dbus".split()
_LEFT_OUT = ("doc", "man", "locale")


def _archive() -> str:
    """Return the path of a tar of Debian with systemd, made now if the cache does not hold it."""
    path = os.path.join(debian.CACHE, f"booted-{debian.key(SUITE, *_PACKAGES)}.tar")
    if os.path.exists(path):
        return path
    if os.getuid() != 0 or not shutil.which("mmdebstrap"):
        pytest.skip("a Debian with systemd needs root and mmdebstrap to be made")
    os.makedirs(debian.CACHE, exist_ok=True)
    lock = os.open(debian.CACHE, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(path):
            with tempfile.TemporaryDirectory(dir=debian.CACHE) as scratch:
                made = os.path.join(scratch, "tree.tar")
                command = ["mmdebstrap", "--quiet", "--variant=essential", f"--include={','.join(_PACKAGES)}"]
                command += [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _LEFT_OUT]
                subprocess.run([*command, SUITE, made], check=True, stdin=subprocess.DEVNULL)
                os.rename(made, path)
    finally:
        os.close(lock)
    return path


@pytest.mark.slow
def test_systemd_boots_and_shuts_down(machine: Machine, user: str) -> None:
    with open(_archive(), "rb") as file:
        machine.shell(user, "pod import --quiet - booted", input=file.read(), timeout=600)
    machine.shell(user, "pod run -d --name machine booted /sbin/init", timeout=120)

    def state() -> bool:
        ask = "pod exec machine systemctl is-system-running"
        return machine.shell(user, ask, check=False).stdout.strip() in ("running", "degraded")

    eventually(state, True)
    unit = "systemd-run --quiet --unit job sleep 1000; systemctl is-active job; cat /proc/1/cgroup"
    assert machine.run(user, "pod", "exec", "machine", "sh", "-c", unit).stdout.split() == ["active", "0::/init.scope"]
    mode = machine.run(user, "pod", "inspect", "--format", "{{.Config.SystemdMode}} {{.Config.StopSignal}}", "machine")
    assert mode.stdout == "true SIGRTMIN+3\n"
    machine.run(user, "pod", "stop", "-t", "90", "machine", timeout=150)
    assert machine.run(user, "pod", "inspect", "--format", "{{.State.ExitCode}}", "machine").stdout == "0\n"
    machine.shell(user, "pod rm machine; pod rmi booted")
