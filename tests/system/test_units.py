"""Containers as services of the real systemd: units of root, and of a user's own service manager."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.system.machine import Machine
from tests.system.units import CGROUPS, Units, eventually

# A program that ends when it is asked to.
_SERVE = "trap 'echo bye; exit 0' TERM; echo serving; while :; do sleep 0.1; done"
# The machine's own programs, in a container of busybox.
_PROGRAMS = "-v /usr:/usr:ro -v /usr/lib:/lib:ro -v /usr/lib64:/lib64:ro"


@pytest.fixture
def units(machine: Machine, user: str) -> Iterator[Units]:
    made = Units(machine, user)
    yield made
    made.clean()


def test_service_below_its_own_cgroup(units: Units) -> None:
    lines = ("Type=notify", "Delegate=yes", "MemoryMax=100M")
    units.service("web", "-d --sdnotify=conmon --cgroups=split --log-driver journald", _SERVE, *lines)
    units.shell("ctl start web")
    assert units.told("web", "ActiveState", "MainPID") == f"active {units.monitor('web')}"
    container, pid = units.shell("pod inspect --format '{{.ID}} {{.State.Pid}}' web").split()
    place = f"{units.cgroup}/web.service"
    seen = units.shell(f"cd {CGROUPS}{place}; cat memory.max /proc/{pid}/cgroup; ls -d */").split()
    assert seen == [str(100 << 20), f"0::{place}/pod-payload-{container}", f"pod-payload-{container}/", "supervisor/"]
    eventually(lambda: "serving" in units.journal("web", container), True)
    units.shell("ctl stop web")
    assert units.outcome("web") == "inactive success 0"
    units.await_nothing("web")
    eventually(lambda: "bye" in units.journal("web", container), True)


def test_failure_is_told_and_followed_by_a_restart(units: Units) -> None:
    # In the foreground, where the monitor is the main process all the same.
    limits = ("Restart=on-failure", "RestartSec=100ms", "[Unit]", "StartLimitBurst=2", "StartLimitIntervalSec=1h")
    units.service("bad", "--sdnotify=conmon", "exit 9", "Type=notify", *limits)
    units.shell("ctl start bad", check=False)
    eventually(lambda: units.told("bad", "ActiveState", "ExecMainStatus", "NRestarts"), "failed 9 2")
    units.await_nothing("bad")
    units.service("once", "", "echo done; exit 3", "Type=oneshot")
    units.shell("ctl start once", check=False)
    assert units.outcome("once") == "failed exit-code 3"
    units.await_nothing("once")


@pytest.mark.slow
def test_container_tells_itself_that_it_is_ready(units: Units) -> None:
    program = "systemd-notify --status=warming; until [ -e /go ]; do sleep 0.1; done; systemd-notify --ready; " + _SERVE
    units.service("late", f"-d {_PROGRAMS}", program, "Type=notify")
    units.shell("ctl start --no-block late")
    eventually(lambda: units.told("late", "ActiveState", "StatusText"), "activating warming")
    units.shell("pod exec late touch /go")
    eventually(lambda: units.told("late", "ActiveState", "MainPID"), f"active {units.monitor('late')}")
    # Without a command for that: who ends the monitor stops the container.
    units.shell("ctl stop late")
    assert units.outcome("late") == "inactive success 0"
    units.await_nothing("late")


@pytest.mark.slow
def test_socket_activation(units: Units) -> None:
    port = "8091" if units.user == "root" else "8092"
    answer = 'c, _ = socket.socket(fileno=3).accept(); c.sendall(os.environ["LISTEN_FDNAMES"].encode())'
    program = f"exec python3 -c 'import os, socket, time; {answer}; c.close(); time.sleep(1000)'"
    units.write("front.socket", "Socket", f"ListenStream=127.0.0.1:{port}", "FileDescriptorName=door")
    units.service("front", f"-d --sdnotify=conmon --stop-timeout 1 {_PROGRAMS}", program, "Type=notify")
    units.shell("ctl start front.socket")
    assert units.told("front.service", "ActiveState") == "inactive"
    said = units.shell(f"bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}; cat <&3'")
    assert said == "door"
    assert units.told("front.service", "ActiveState") == "active"
    # It hears no SIGTERM, and is killed after its own patience.
    units.shell("ctl stop front.socket front.service", check=False)
    assert units.outcome("front.service") == "failed exit-code 137"
    units.await_nothing("front")
