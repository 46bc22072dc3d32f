"""Whether systemd makes the containers' control groups, and on which bus it is asked to."""

from __future__ import annotations

from pod import environ
from pod.errors import PodError
from runtime import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.config import Config

CGROUPFS, SYSTEMD = "cgroupfs", "systemd"


def bus(config: Config) -> str:
    """Return the address of the bus on which systemd is, empty if we make control groups ourselves.

    What --cgroup-manager or containers.conf says; else systemd where it runs, for a user where a session of his does.
    """
    wanted = config.cgroup_manager
    if wanted not in ("", CGROUPFS, SYSTEMD):
        raise PodError(f"{wanted} is not a cgroup manager: invalid argument", hint="it is systemd or cgroupfs")
    if wanted == CGROUPFS or not (wanted or _runs(config)):
        return ""
    return address(config)


def address(config: Config) -> str:
    """Return the address of the bus on which the user's systemd is, whether or not it runs."""
    from runtime.dbus import addresses

    if not config.rootless:
        return addresses.of_system(environ.value("DBUS_SYSTEM_BUS_ADDRESS"))
    session = environ.value("DBUS_SESSION_BUS_ADDRESS")
    return addresses.of_user(session, environ.value("XDG_RUNTIME_DIR"), config.uid)


def name(config: Config) -> str:
    """Return the name of the manager that is used."""
    return SYSTEMD if bus(config) else CGROUPFS


def cgroups_path(config: Config, container_id: str, slice: str = "", pod: str = "") -> str:
    """Return where systemd is to make the unit of a container: `slice:prefix:name`, by default in podman's slices.

    `pod` is the name of the control group of its pod, if it is to be in there.
    """
    return f"{pod_slice(config, pod, slice) if pod else slice or _slice(config)}:pod:{container_id}"


def pod_slice(config: Config, pod: str, slice: str = "") -> str:
    """Return the slice of a pod whose control group has this name: below another, as the name of a slice says."""
    return f"{(slice or _slice(config)).removesuffix('.slice')}-{pod}.slice"


def _slice(config: Config) -> str:
    return "user.slice" if config.rootless else "machine.slice"


def _runs(config: Config) -> bool:
    # sd_booted(3)
    if not paths.is_directory("/run/systemd/system"):
        return False
    if not config.rootless:
        return paths.exists("/run/dbus/system_bus_socket")
    # To a user nothing of cgroup v1 is ever delegated.
    directory = environ.value("XDG_RUNTIME_DIR") or f"/run/user/{config.uid}"
    return (
        paths.exists("/sys/fs/cgroup/cgroup.controllers")
        and paths.exists(f"{directory}/systemd/private")
        and paths.exists(f"{directory}/bus")
    )
