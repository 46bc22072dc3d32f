"""Limits of `pod run` that the kernel enforces under cgroup v2: for root, and for a user to whom systemd delegates."""

from __future__ import annotations

import json

import pytest

from tests.system.machine import Machine
from tests.system.project import IMAGE


def test_memory_limit_kills_and_is_told(machine: Machine, user: str) -> None:
    use = "dd if=/dev/zero of=/dev/null bs=96M count=1"
    done = machine.shell(user, f"pod run --name box --memory 32m {IMAGE} {use}", check=False)
    state = json.loads(machine.run(user, "pod", "inspect", "box").stdout)[0]["State"]
    machine.run(user, "pod", "rm", "box")
    assert (done.returncode, state["ExitCode"], state["OOMKilled"]) == (137, 137, True)
    assert machine.shell(user, f"pod run --rm --memory 256m {IMAGE} {use}").returncode == 0


def test_pids_limit_refuses_the_next_process(machine: Machine, user: str) -> None:
    script = "for i in 1 2 3 4 5 6 7 8; do sleep 60 & done; wait"
    done = machine.run(user, "pod", "run", "--rm", "--pids-limit", "6", IMAGE, "sh", "-c", script, check=False)
    assert done.returncode != 0
    assert "can't fork" in done.stderr
    script = script.replace("60", "1")
    assert machine.run(user, "pod", "run", "--rm", "--pids-limit", "12", IMAGE, "sh", "-c", script).stderr == ""


def test_processors_are_shared_out_by_time(machine: Machine, user: str) -> None:
    clock = "read now _ </proc/uptime; echo $now"
    spin = "timeout 4 sh -c 'while :; do :; done'"
    script = f"{clock}; {spin}; cat /sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpu.stat; {clock}"
    done = machine.run(user, "pod", "run", "--rm", "--cpus", "0.25", IMAGE, "sh", "-c", script, check=False)
    before, maximum, *statistics, after = done.stdout.splitlines()
    values = {name: int(value) for name, value in (line.split() for line in statistics)}
    assert maximum == "25000 100000"
    # A busy host makes the four seconds longer.
    assert 0.1 < values["usage_usec"] / 1e6 / (float(after) - float(before)) < 0.6
    assert values["nr_throttled"] > 10


def test_processors_can_be_chosen_where_cpuset_is_delegated(machine: Machine, user: str) -> None:
    done = machine.run(user, "pod", "run", "--rm", "--cpuset-cpus", "1", IMAGE, "nproc", check=False)
    if user == "root":
        assert (done.returncode, done.stdout) == (0, "1\n")
    else:  # systemd gives users cpu, memory and pids only; the container exists and cannot be started
        assert done.returncode == 126
        assert "cpuset" in done.stderr


def test_a_user_without_delegation_is_told_so(machine: Machine) -> None:
    done = machine.run(
        "alice",
        "env",
        "-u",
        "DBUS_SESSION_BUS_ADDRESS",
        "pod",
        "--cgroup-manager",
        "cgroupfs",
        "run",
        "--rm",
        "--memory",
        "64m",
        "--cpus",
        "1",
        IMAGE,
        "true",
        check=False,
    )
    assert done.returncode == 125
    assert "Error: cannot limit cpu, memory: no cgroup is delegated to user 1000" in done.stderr


@pytest.mark.parametrize("manager", ["cgroupfs", "systemd"])
def test_either_manager_limits_in_a_unit_of_the_user(machine: Machine, manager: str) -> None:
    files = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max"
    limits = ["--memory", "64m", "--pids-limit", "50"]
    command = ["pod", "--cgroup-manager", manager, "run", "--rm", *limits, IMAGE, "sh", "-c", files]
    assert machine.user_unit("alice", *command).stdout.split() == [str(64 << 20), "50"]


def test_devices_that_were_not_given_cannot_be_opened(machine: Machine) -> None:
    script = "mknod /dev/log-of-kernel c 1 11 && head -c 1 /dev/log-of-kernel >/dev/null"
    command = ["run", "--rm", "--cap-add", "MKNOD", "--cap-add", "SYSLOG"]
    done = machine.run("root", "pod", *command, IMAGE, "sh", "-c", script, check=False)
    assert done.returncode == 1
    assert "Operation not permitted" in done.stderr
    machine.run("root", "pod", "run", "--rm", "--privileged", IMAGE, "sh", "-c", script)


def test_exec_is_limited_with_its_container(machine: Machine, user: str) -> None:
    machine.run(user, "pod", "run", "-d", "--name", "box", "--memory", "32m", IMAGE, "sleep", "1000")
    try:
        pid = machine.run(user, "pod", "inspect", "--format", "{{.State.Pid}}", "box").stdout.strip()
        place = machine.run("root", "cat", f"/proc/{pid}/cgroup").stdout.strip()
        directory = f"/sys/fs/cgroup{place.removeprefix('0::')}"
        machine.run(user, "pod", "exec", "-d", "box", "sleep", "77")
        members = machine.shell(
            "root", f"for p in $(cat {directory}/cgroup.procs); do cat /proc/$p/cmdline; done"
        ).stdout
        assert "77" in members
        use = ["dd", "if=/dev/zero", "of=/dev/null", "bs=96M", "count=1"]
        assert machine.run(user, "pod", "exec", "box", *use, check=False).returncode == 137
    finally:
        machine.run(user, "pod", "rm", "-f", "-t", "0", "box")
