"""The state of a container on disk: <root>/<id>/state.json, complete or absent, and what is true about it now."""

from __future__ import annotations

import posix

from runtime import jsontext, process
from runtime.errors import ContainerNotFoundError, OCIRuntimeError, SpecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

STATE, CONFIG, LISTENER = "state.json", "config.json", "start"
# All that a state directory may hold; nothing else is ever removed from it.
FILES = (STATE, f"{STATE}.new", CONFIG, f"{CONFIG}.new", LISTENER)
VERSION = "1.3.0"
_ID_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.")


class Status:
    """What `create` wrote down. `start_time` tells the process from another that got its pid later."""

    __slots__ = (
        "annotations",
        "bundle",
        "cgroup_path",
        "cgroups",
        "created",
        "directory",
        "id",
        "mount_id",
        "new_keyring",
        "owner",
        "pid",
        "rootfs",
        "start_time",
        "systemd_bus",
        "systemd_unit",
    )

    def __init__(self, directory: str, document: dict[str, Any]) -> None:
        self.directory = directory
        self.id: str = document["id"]
        self.pid: int = document["pid"]
        self.start_time: int = document["startTime"]
        self.bundle: str = document["bundle"]
        self.rootfs: str = document["rootfs"]
        self.created: str = document["created"]
        self.annotations: dict[str, str] = document["annotations"]
        self.cgroups: list[str] = document["cgroups"]
        self.cgroup_path: str = document["cgroupPath"]
        self.systemd_unit: str = document.get("systemdUnit") or ""
        self.systemd_bus: str = document.get("systemdBus") or ""
        self.owner: str = document["owner"]
        # Of the tree that stays mounted until `delete`, if the container shares the mount namespace of the runtime.
        self.mount_id: int = document.get("mountId") or 0
        self.new_keyring: bool = document.get("newKeyring", True)

    def status(self) -> str:
        """Return creating, created, running or stopped, as it is at this moment."""
        if not self.pid:
            return "creating"
        if not process.is_alive(self.pid, self.start_time):
            return "stopped"
        # `start` removes the socket as soon as it has let the process go.
        return "created" if posix.access(f"{self.directory}/{LISTENER}", posix.F_OK) else "running"

    def document(self) -> dict[str, Any]:
        """Return what is kept on disk."""
        return {
            "id": self.id,
            "pid": self.pid,
            "startTime": self.start_time,
            "bundle": self.bundle,
            "rootfs": self.rootfs,
            "created": self.created,
            "annotations": self.annotations,
            "cgroups": self.cgroups,
            "cgroupPath": self.cgroup_path,
            "systemdUnit": self.systemd_unit,
            "systemdBus": self.systemd_bus,
            "owner": self.owner,
            "mountId": self.mount_id,
            "newKeyring": self.new_keyring,
        }

    def state(self, status: str = "") -> dict[str, Any]:
        """Return the state as runtime-spec (runtime.md, "State") and callers of runc know it."""
        status = status or self.status()
        return {
            "ociVersion": VERSION,
            "id": self.id,
            "pid": 0 if status == "stopped" else self.pid,
            "status": status,
            "bundle": self.bundle,
            "rootfs": self.rootfs,
            "created": self.created,
            "annotations": self.annotations,
            "owner": self.owner,
        }

    def save(self) -> None:
        """Write the state, atomically."""
        path = f"{self.directory}/{STATE}"
        fd = posix.open(f"{path}.new", posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o600)
        try:
            posix.write(fd, jsontext.dumps(self.document()).encode())
        finally:
            posix.close(fd)
        posix.rename(f"{path}.new", path)


def check_id(container_id: str) -> None:
    """Refuse an ID that is no file name of the allowed characters."""
    good = container_id and container_id[0] != "." and len(container_id) <= 1024
    if not good or not _ID_CHARACTERS.issuperset(container_id):
        raise SpecError(f"container ID `{container_id}` is not allowed: letters, digits, `_`, `+`, `-`, `.` only")


def state_directory(root: str, container_id: str) -> str:
    """Return the directory of a container's state."""
    check_id(container_id)
    return f"{root}/{container_id}"


def load(root: str, container_id: str) -> Status:
    """Read a container's state; ContainerNotFoundError if there is none."""
    directory = state_directory(root, container_id)
    try:
        with open(f"{directory}/{STATE}", "rb", buffering=0) as file:
            return Status(directory, jsontext.loads(file.read()))
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError) as error:
        raise OCIRuntimeError(f"read the state of container `{container_id}`: {error}") from error
    if not posix.access(directory, posix.F_OK):
        raise ContainerNotFoundError(f"container `{container_id}` does not exist")
    return _creating(directory, container_id)


def _creating(directory: str, container_id: str) -> Status:
    """Return what is known of a container whose `create` has not ended, or was killed."""
    document = {"id": container_id, "pid": 0, "startTime": 0, "bundle": "", "rootfs": "", "created": "", "owner": ""}
    cgroup = {"cgroups": [], "cgroupPath": "", "systemdUnit": "", "systemdBus": ""}
    return Status(directory, {**document, **cgroup, "annotations": {}})


def list_ids(root: str) -> list[str]:
    """Return the IDs below a runtime's root."""
    try:
        names = posix.listdir(root)
    except FileNotFoundError:
        return []
    return sorted(name for name in names if not name.startswith("."))


def remove_directory(directory: str) -> None:
    """Remove a state directory and the files of ours in it; fine if it is gone."""
    for name in FILES:
        try:
            posix.unlink(f"{directory}/{name}")
        except FileNotFoundError:
            pass
    try:
        posix.rmdir(directory)
    except FileNotFoundError:
        pass
    except OSError as error:
        from errno import ENOTEMPTY

        if error.errno != ENOTEMPTY:
            raise
        # Only few containers have a directory for their notifications.
        from runtime import notify

        notify.remove(directory)
        posix.rmdir(directory)
