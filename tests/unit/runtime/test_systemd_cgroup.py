"""A container as a unit of systemd: what the manager is asked, in which order, and what is made of its answers."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime import cgroups
from runtime.cgroups import CgroupError, files, systemd, systemd_start
from runtime.cgroups.mounts import Hierarchy
from runtime.cgroups.systemd import SystemdCgroup
from runtime.cgroups.systemd_start import NewSystemdCgroup
from runtime.cgroups.v2 import CgroupV2
from runtime.dbus import addresses
from runtime.dbus.errors import BusError
from runtime.dbus.wire import Variant
from runtime.errors import ContainerExistsError, SpecError
from tests.fakes.systemd import NAME, FakeSystemd, serve_peer

SPEC = {"linux": {"resources": {"memory": {"limit": 4096}, "unified": {"memory.oom.group": "1"}}}}


class Host(FakeSystemd):
    """A manager and a cgroup v2, played by a directory in which the manager makes the units' directories."""

    def __init__(self, directory: Path) -> None:
        super().__init__("/above")
        self.root = directory / "cgroup"
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(f"{directory}/bus")
        self.socket.listen()
        self.bus = addresses.of_path(f"{directory}/bus")
        self.clients = 0
        self.thread = threading.Thread(target=self.accept)
        self.thread.start()

    def accept(self) -> None:
        while True:
            try:
                end, _ = self.socket.accept()
            except OSError:
                return
            self.clients += 1
            with end:
                serve_peer(end, self)

    def plan(self, path: str) -> CgroupV2:
        return CgroupV2(Hierarchy(str(self.root), "/", (), is_v2=True), path)

    def make(self, unit: str, properties: dict[str, Any]) -> None:
        directory = self.root / "above" / "system.slice" / unit
        directory.mkdir(parents=True)
        for name in ("memory.max", "memory.swap.max", "memory.oom.group", "cgroup.procs", "pids.max"):
            (directory / name).write_text("")
        (directory / "cgroup.controllers").write_text("memory pids\n")

    def clear(self, unit: str, properties: dict[str, Any]) -> None:
        directory = self.root / "above" / "system.slice" / unit
        for entry in directory.iterdir():
            entry.unlink()
        directory.rmdir()

    def asked(self) -> list[str]:
        silent = ("Hello", "AddMatch", "Subscribe", "Get")
        return [member for member, _ in self.calls if member not in silent]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    made = Host(tmp_path)
    monkeypatch.setattr(cgroups, "plan", made.plan)
    monkeypatch.setattr(systemd_start, "plan", made.plan)
    monkeypatch.setattr(systemd, "is_rootless", lambda: False)
    monkeypatch.setattr(systemd_start, "is_rootless", lambda: False)
    monkeypatch.setattr(files, "REMOVE_SECONDS", 0.05)
    yield made
    made.socket.shutdown(socket.SHUT_RDWR)
    made.thread.join(10)
    made.socket.close()


def start(host: Host, path: str = "", spec: dict[str, Any] | None = None, pid: int = 7) -> NewSystemdCgroup:
    made = cgroups.plan_unit(host.bus, path, "abc", SPEC if spec is None else spec)
    made.create()
    made.adopt(pid)
    return made


def test_a_unit_starts_with_its_process_and_limits(host: Host) -> None:
    made = start(host)
    assert (made.unit, made.path) == ("pod-abc.scope", "/above/system.slice/pod-abc.scope")
    unit = host.units["pod-abc.scope"]
    assert (unit["PIDs"], unit["Slice"], unit["Delegate"]) == ([7], "system.slice", True)
    assert (unit["MemoryMax"], unit["DefaultDependencies"]) == (4096, False)
    assert made.paths == [f"{host.root}{made.path}"]
    made.apply(SPEC["linux"]["resources"])
    assert files.read(f"{made.paths[0]}/memory.max") == "4096"
    assert files.read(f"{made.paths[0]}/memory.oom.group") == "1"  # for this systemd has no property
    assert host.asked() == ["StartTransientUnit"]
    assert host.clients == 1


def test_annotations_come_last_and_win(host: Host) -> None:
    annotations = {"org.systemd.property.MemoryMax": "uint64 8192", "org.systemd.property.CollectMode": "'inactive'"}
    start(host, spec={**SPEC, "annotations": annotations})
    assert (host.units["pod-abc.scope"]["MemoryMax"], host.units["pod-abc.scope"]["CollectMode"]) == (8192, "inactive")


def test_a_process_in_a_group_of_its_own_below_the_unit(host: Host) -> None:
    os.makedirs(f"{host.root}/above/system.slice")
    made = cgroups.plan_unit(host.bus, "", "abc", {"annotations": {systemd.SUBGROUP: "payload"}})
    made.create()
    assert made.path == "/above/system.slice/pod-abc.scope/payload"
    made.remove()
    for name in ("", "/", "../x", ".."):
        if name:
            with pytest.raises(SpecError, match="subgroup"):
                cgroups.plan_unit(host.bus, "", "abc", {"annotations": {systemd.SUBGROUP: name}})


def test_devices_are_guarded_by_systemd_too(host: Host) -> None:
    start(host, spec={"linux": {"resources": {"devices": [{"allow": False, "access": "rwm"}]}}})
    assert host.units["pod-abc.scope"]["DevicePolicy"] == "strict"


def test_what_fails_to_start(host: Host) -> None:
    host.result = "timeout"
    with pytest.raises(CgroupError, match=r"start unit pod-abc.scope: systemd's job ended as `timeout`"):
        start(host)
    host.errors["StartTransientUnit"] = "org.freedesktop.DBus.Error.PropertyReadOnly"
    with pytest.raises(
        CgroupError, match=r"start unit pod-abc.scope: .*\(org.freedesktop.DBus.Error.PropertyReadOnly\)"
    ):
        start(host)


def test_a_failed_unit_gives_its_name_back_but_no_living_one(host: Host) -> None:
    host.failed.add("pod-abc.scope")
    start(host)
    assert host.asked() == ["StartTransientUnit", "ResetFailedUnit", "StartTransientUnit"]
    second = cgroups.plan_unit(host.bus, "", "abc", SPEC)
    second.create()
    with pytest.raises(ContainerExistsError, match=r"start unit pod-abc\.scope: it exists already"):
        second.adopt(8)
    second.remove(kill=True)
    assert "StopUnit" not in host.asked()
    assert host.units


def test_a_job_without_an_end(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd, "_JOB_SECONDS", 0.05)
    monkeypatch.setattr(host, "job", lambda call, unit, result: [host.answer(call, "o", "/job/9")])
    with pytest.raises(BusError, match=r"gave up waiting for the job StartTransientUnit of unit pod-abc\.scope"):
        start(host)


def test_no_systemd(tmp_path: Path) -> None:
    made = cgroups.plan_unit(f"unix:path={tmp_path}/none", "", "abc", {})
    with pytest.raises(BusError, match="connect to the bus"):
        made.create()


def later(host: Host, path: str = "/above/system.slice/pod-abc.scope") -> SystemdCgroup:
    return cgroups.of_unit(host.bus, "pod-abc.scope", path)


def test_an_update_tells_both_systemd_and_the_kernel(host: Host) -> None:
    start(host)
    later(host).apply({"memory": {"limit": 8192}, "pids": {"limit": 5}})
    member, body = host.calls[-1]
    assert (member, body[:2]) == ("SetUnitProperties", ("pod-abc.scope", True))
    assert body[2] == [("MemoryMax", Variant("t", 8192)), ("TasksMax", Variant("t", 5))]
    assert files.read(f"{later(host).paths[0]}/pids.max") == "5"


def test_the_end_of_a_unit(host: Host) -> None:
    start(host)
    path = later(host).paths[0]
    later(host).remove()
    assert host.asked() == ["StartTransientUnit", "StopUnit", "ResetFailedUnit"]
    assert not host.units
    assert not os.path.exists(path)
    later(host).remove()  # nothing is left, and that is fine


def test_a_unit_with_processes_is_not_stopped(host: Host) -> None:
    start(host)
    Path(f"{later(host).paths[0]}/cgroup.procs").write_text("1\n")
    with pytest.raises(CgroupError, match=r"remove unit pod-abc.scope: processes \[1\] are still running"):
        later(host).remove()
    assert host.asked() == ["StartTransientUnit"]


def test_a_unit_whose_start_is_not_known_of(host: Host) -> None:
    start(host)
    later(host, path="").remove()
    assert not host.units


def test_without_systemd_the_files_are_removed(host: Host, tmp_path: Path) -> None:
    directory = host.root / "above" / "system.slice" / "pod-abc.scope"
    directory.mkdir(parents=True)
    cgroups.of_unit(f"unix:path={tmp_path}/none", "pod-abc.scope", "/above/system.slice/pod-abc.scope").remove()
    assert not directory.exists()


def test_a_process_that_cannot_enter_is_moved_by_systemd(host: Host) -> None:
    start(host)
    cgroup = later(host, "/above/system.slice/pod-abc.scope/leaf")
    cgroup.adopt(8)
    assert host.asked() == ["StartTransientUnit"]
    assert cgroup.entrances(unified=True) == []
    cgroup.adopt(8)
    assert host.calls[-1] == ("AttachProcessesToUnit", ("pod-abc.scope", "/leaf", [8]))
    host.errors["AttachProcessesToUnit"] = f"{NAME}.NoSuchUnit"
    with pytest.raises(CgroupError, match=r"unit pod-abc.scope: .*NoSuchUnit"):
        cgroup.adopt(8)


@pytest.mark.parametrize(("text", "number"), [("257.5-1", 257), ("v249.11-0ubuntu3", 249), ("252", 252), ("~devel", 0)])
def test_versions(host: Host, text: str, number: int) -> None:
    host.properties["Version"] = text
    cgroup = later(host)
    with cgroup._manager:
        assert cgroup.version() == number


def test_a_session_is_left_for_a_scope_of_ones_own(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd, "cgroups_of", lambda: {"": "/user.slice/user-5.slice/user@5.service/app.slice/x"})
    systemd.leave_session(host.bus)
    assert host.clients == 0
    monkeypatch.setattr(systemd, "cgroups_of", lambda: {"": "/user.slice/user-5.slice/session-1.scope"})
    monkeypatch.setattr(host, "make", lambda unit, properties: None)
    systemd.leave_session(host.bus)
    assert host.units[f"pod-exec-{os.getpid()}.scope"]["PIDs"] == [os.getpid()]
    host.units.clear()
    host.result = "failed"
    with pytest.raises(CgroupError, match="systemd's job ended as `failed`"):
        systemd.leave_session(host.bus)
