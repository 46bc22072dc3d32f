"""Which cgroup manager is used, and where the bus is."""

from __future__ import annotations

import posix

import pytest

from pod import systemd
from pod.config import Config
from pod.errors import PodError
from runtime import paths as on_disk

SYSTEM = "unix:path=/run/dbus/system_bus_socket"


def config(*, manager: str = "", rootless: bool = False) -> Config:
    made = Config(graphroot="/g", runroot="/r", uid=1000 if rootless else 0, rootless=rootless, home="/", user="x")
    made.cgroup_manager = manager
    return made


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The files by which systemd and its bus show that they run."""
    paths = {"/run/systemd/system", "/run/dbus/system_bus_socket", "/sys/fs/cgroup/cgroup.controllers"}
    paths |= {"/run/user/1000/systemd/private", "/run/user/1000/bus"}
    monkeypatch.setattr(on_disk, "exists", lambda path: path in paths)
    monkeypatch.setattr(on_disk, "is_directory", lambda path: path in paths)
    for name in ("DBUS_SYSTEM_BUS_ADDRESS", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"):
        monkeypatch.delitem(posix.environ, name.encode(), raising=False)
    return paths


def test_systemd_where_it_runs(there: set[str]) -> None:
    assert systemd.bus(config()) == SYSTEM
    assert systemd.bus(config(rootless=True)) == "unix:path=/run/user/1000/bus"
    assert systemd.name(config()) == "systemd"


@pytest.mark.parametrize("missing", ["/run/systemd/system", "/run/dbus/system_bus_socket"])
def test_root_without_systemd(there: set[str], missing: str) -> None:
    there.discard(missing)
    assert systemd.bus(config()) == ""
    assert systemd.name(config()) == "cgroupfs"


@pytest.mark.parametrize(
    "missing",
    [
        "/run/systemd/system",
        "/sys/fs/cgroup/cgroup.controllers",
        "/run/user/1000/bus",
        "/run/user/1000/systemd/private",
    ],
)
def test_a_user_without_a_session(there: set[str], missing: str) -> None:
    there.discard(missing)
    assert systemd.bus(config(rootless=True)) == ""


def test_what_is_said_counts(there: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert systemd.bus(config(manager="cgroupfs")) == ""
    there.clear()
    assert systemd.bus(config(manager="systemd")) == SYSTEM
    monkeypatch.setitem(posix.environ, b"DBUS_SYSTEM_BUS_ADDRESS", b"unix:path=/x")
    monkeypatch.setitem(posix.environ, b"DBUS_SESSION_BUS_ADDRESS", b"unix:path=/y")
    assert systemd.bus(config(manager="systemd")) == "unix:path=/x"
    assert systemd.bus(config(manager="systemd", rootless=True)) == "unix:path=/y"
    with pytest.raises(PodError, match="upstart is not a cgroup manager: invalid argument"):
        systemd.bus(config(manager="upstart"))


def test_the_unit_of_a_container() -> None:
    assert systemd.cgroups_path(config(), "abc") == "machine.slice:pod:abc"
    assert systemd.cgroups_path(config(rootless=True), "abc") == "user.slice:pod:abc"
