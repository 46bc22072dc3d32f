"""The life cycle of containers in a Debian with systemd and cgroup v2."""

from __future__ import annotations

import json

from tests.system.machine import Machine
from tests.system.project import IMAGE


def test_machine_is_what_the_tests_need(machine: Machine) -> None:
    script = "systemctl is-system-running; stat -fc %T /sys/fs/cgroup; cat /sys/fs/cgroup/cgroup.controllers"
    state, filesystem, controllers = machine.shell("root", script).stdout.splitlines()
    assert (state, filesystem) == ("running", "cgroup2fs")
    assert {"cpuset", "cpu", "io", "memory", "hugetlb", "pids"} <= set(controllers.split())


def test_run_gives_output_and_exit_code(machine: Machine, user: str) -> None:
    done = machine.run(user, "pod", "run", "--rm", IMAGE, "sh", "-c", "id -u; echo no >&2; exit 7", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (7, "0\n", "no\n")


def test_container_lives_and_ends(machine: Machine, user: str) -> None:
    machine.shell(user, f"pod run -d --name box {IMAGE} sh -c 'trap exit TERM; sleep 1000 & wait'")
    assert machine.run(user, "pod", "exec", "box", "hostname").stdout.strip()
    found = json.loads(machine.run(user, "pod", "inspect", "box").stdout)[0]
    assert found["State"]["Status"] == "running"
    machine.shell(user, "pod stop -t 20 box && pod start box && pod kill box && pod wait box && pod rm box")
    assert machine.run(user, "pod", "ps", "-aq").stdout == ""
