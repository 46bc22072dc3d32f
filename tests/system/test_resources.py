"""Limits, changes, pauses and figures under cgroup v2 with systemd: for root, and for a user to whom it delegates."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.system.machine import Machine
from tests.system.project import IMAGE

MIB = 1 << 20
FILES = (
    "memory.max memory.low memory.swap.max memory.high cpu.max cpu.weight pids.max".split()  # what users are given too
)


def values(machine: Machine, user: str) -> dict[str, str]:
    """Return the files of the container `box` as it sees them."""
    script = "cd /sys/fs/cgroup && " + " && ".join(f"cat {name}" for name in FILES)
    lines = machine.shell(user, f"pod exec box sh -c '{script}'").stdout.splitlines()
    return dict(zip(FILES, lines, strict=True))


def inspected(machine: Machine, user: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = json.loads(machine.run(user, "pod", "inspect", "box").stdout)
    return found[0]


def test_the_life_of_limits(machine: Machine, user: str) -> None:
    limits = "--memory 64m --memory-reservation 16m --memory-swap 80m --cpus 0.5 --cpu-shares 512 --pids-limit 50"
    options = f"{limits} --cgroup-conf memory.high=50331648 --cgroups enabled --cgroupns private"
    machine.shell(user, f"pod run -d --name box --stop-timeout 0 {options} {IMAGE} sh -c 'while :; do :; done'")
    first = values(machine, user)
    assert first == {
        "memory.max": str(64 * MIB),
        "memory.low": str(16 * MIB),
        "memory.swap.max": str(16 * MIB),
        "memory.high": str(48 * MIB),
        "cpu.max": "50000 100000",
        "cpu.weight": first["cpu.weight"],
        "pids.max": "50",
    }
    assert 20 < int(first["cpu.weight"]) < 100
    seen = inspected(machine, user)
    assert seen["HostConfig"]["CgroupConf"] == {"memory.high": "50331648"}
    assert seen["HostConfig"]["CgroupManager"] == "systemd"
    assert seen["State"]["CgroupPath"].endswith(f"pod-{seen['Id']}.scope")

    machine.shell(user, "pod update --memory 128m --cpus 0.25 --pids-limit 60 --cpu-shares 2048 box")
    changed = values(machine, user)
    assert (changed["memory.max"], changed["memory.swap.max"]) == (str(128 * MIB), str(128 * MIB))
    assert (changed["cpu.max"], changed["pids.max"]) == ("25000 100000", "60")
    assert int(changed["cpu.weight"]) > int(first["cpu.weight"])
    assert inspected(machine, user)["HostConfig"]["Memory"] == 128 * MIB

    template = "{{.MemLimit}} {{.PIDs}} {{.CPUNano}} {{.CPU}}"
    limit, pids, nanoseconds, percent = machine.shell(
        user, f"pod stats --no-stream --format '{template}' box"
    ).stdout.split()
    assert (limit, pids, int(nanoseconds) > 0) == (str(128 * MIB), "1", True)
    assert 5 < float(percent) < 100

    machine.shell(user, "pod pause box")
    assert inspected(machine, user)["State"]["Status"] == "paused"
    assert machine.shell(user, "pod exec box true", check=False).returncode != 0
    machine.shell(user, "pod unpause box && pod exec box true && pod pause box && pod kill box && pod wait box")
    assert inspected(machine, user)["State"]["ExitCode"] == 137
    machine.shell(user, "pod rm box")


def test_what_only_v1_has_is_refused(machine: Machine, user: str) -> None:
    for flag in ("--memory-swappiness 10", "--oom-kill-disable", "--cpu-rt-runtime 1000"):
        done = machine.shell(user, f"pod create {flag} {IMAGE} true", check=False)
        assert (done.returncode, "is not supported on cgroups V2 systems" in done.stderr) == (125, True), done.stderr


@pytest.mark.slow
def test_the_slice_above_it(machine: Machine, user: str) -> None:
    machine.shell(user, f"pod run -d --name box --stop-timeout 0 --cgroup-parent test-one.slice {IMAGE} sleep 1000")
    found = inspected(machine, user)
    assert f"/test.slice/test-one.slice/pod-{found['Id']}.scope" in found["State"]["CgroupPath"]
    machine.shell(user, "pod rm -f -t 0 box")
    done = machine.shell(user, f"pod create --cgroup-parent /test {IMAGE} true", check=False)
    expected = "did not receive systemd slice as cgroup parent when using systemd to manage cgroups: invalid argument"
    assert (done.returncode, expected in done.stderr) == (125, True)


@pytest.mark.slow
def test_the_cgroup_of_a_unit_split(machine: Machine, user: str) -> None:
    manager = "--user" if user == "alice" else ""
    run = f"pod run --rm --cgroups split --memory 64m {IMAGE} sh -c"
    script = "cat /sys/fs/cgroup/memory.max; sleep 1"
    unit = f"systemd-run {manager} --quiet --wait --pipe -p Delegate=yes $(command -v pod)"
    done = machine.shell(user, f"{unit} {run.removeprefix('pod ')} '{script}'")
    assert done.stdout.split() == [str(64 * MIB)]
    done = machine.shell(user, f"{run} '{script}'", check=False)
    if user == "alice":  # the cgroup of a login session is not the user's
        assert (done.returncode, "cannot split the cgroup" in done.stderr) == (126, True)


def test_devices(machine: Machine, user: str) -> None:
    script = "stat -c %t:%T /dev/x; dd if=/dev/x bs=1 count=1 2>/dev/null | wc -c"
    done = machine.shell(user, f"pod run --rm --device /dev/zero:/dev/x {IMAGE} sh -c '{script}'")
    assert done.stdout.split() == ["1:5", "1"]
