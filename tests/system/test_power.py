"""What is found after the machine went down: by a power cut, and in order."""

from __future__ import annotations

import time

import pytest

from tests.system.machine import Machine
from tests.system.project import IMAGE

# Ends at once when it is asked to, or never.
_POLITE = "trap exit TERM; sleep 1000 & wait"
_STUBBORN = "trap '' TERM; while :; do sleep 1000; done"


def _status(machine: Machine, user: str) -> dict[str, str]:
    lines = machine.run(user, "pod", "ps", "-a", "--format", "{{.Names}}|{{.Status}}").stdout.splitlines()
    return dict(line.split("|", 1) for line in lines)


@pytest.mark.slow
def test_power_cut(machine: Machine) -> None:
    for user in ("root", "alice"):
        machine.shell(user, f'pod run -d --name runs -v kept:/data {IMAGE} sh -c "echo data > /data/file; sleep 1000"')
        machine.shell(
            user, f"pod run -d --rm --name passing {IMAGE} sleep 1000; pod create --name ready {IMAGE} sleep 9"
        )
        machine.run(user, "pod", "init", "ready")
        machine.shell(
            user, f"pod run --name ended {IMAGE} sh -c 'exit 3' || true; pod create --name made {IMAGE} echo made"
        )
    # The database is synced by the kernel's own time table: what is reported done is safe from kill -9 only.
    machine.run("root", "sync")
    machine.cut_power()
    for user in ("root", "alice"):
        status = _status(machine, user)
        assert set(status) == {"runs", "ended", "made", "passing", "ready"}
        assert status["ready"] == "Created", status
        assert status["runs"].startswith("Exited"), status
        assert status["ended"].startswith("Exited (3)"), status
        assert status["made"] == "Created", status
        machine.shell(user, "pod start runs; pod exec runs cat /data/file; pod start -a made")
        assert "passing" not in _status(machine, user)
        machine.shell(user, "pod rm ready")
        machine.shell(user, "pod rm -f -t 0 runs; pod rm ended made; pod volume rm kept")
        assert _status(machine, user) == {}
        assert machine.run(user, "pod", "images", "-q").stdout.split()


@pytest.mark.slow
def test_shutdown_ends_containers_in_time(machine: Machine) -> None:
    for user in ("root", "alice"):
        machine.run(user, "pod", "run", "-d", "--name", "polite", IMAGE, "sh", "-c", _POLITE)
        machine.run(user, "pod", "run", "-d", "--name", "stubborn", IMAGE, "sh", "-c", _STUBBORN)
    began = time.monotonic()
    machine.reboot()
    up = float(machine.run("root", "cut", "-d ", "-f1", "/proc/uptime").stdout)
    # With systemd's own patience for units, root's and then alice's, it was 240 seconds.
    assert time.monotonic() - began - up < 150
    for user in ("root", "alice"):
        status = _status(machine, user)
        assert set(status) == {"polite", "stubborn"}
        assert all(text.startswith("Exited") for text in status.values()), status
        machine.run(user, "pod", "rm", "polite", "stubborn")
