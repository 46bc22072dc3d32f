"""`checkpoint`: save a running container to images, by CRIU."""

from __future__ import annotations

import posix

from runtime import kill, launch, spec
from runtime import status as states
from runtime.checkpoints import criu, images
from runtime.checkpoints.images import Directories, Settings
from runtime.delete import delete
from runtime.errors import NotRunningError, OCIRuntimeError, SpecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.checkpoints.criu import Field

_LOG = "dump.log"


def checkpoint(
    root: str,
    container_id: str,
    settings: Settings,
    *,
    parent_path: str = "",
    pre_dump: bool = False,
    leave_running: bool = False,
    tcp_skip_in_flight: bool = False,
    page_server: tuple[str, int] | None = None,
    status_fd: int | None = None,
    keep_state: bool = False,
) -> None:
    """Save a container; unless it is to run on, it has ended and is deleted when this returns.

    With `keep_state` it is left to the caller, or whoever waits for its end, to delete it.
    """
    status = states.load(root, container_id)
    if status.status() != "running":
        raise NotRunningError(f"cannot checkpoint container `{container_id}`: container not running")
    if posix.geteuid():
        raise OCIRuntimeError(f"cannot checkpoint container `{container_id}`: criu needs the rights of root")
    if parent_path.startswith("/"):
        raise SpecError(f"--parent-path `{parent_path}` is not relative to --image-path")
    document = spec.load(f"{status.directory}/{states.CONFIG}")
    directories = Directories(settings, make=True)
    try:
        asked = [*images.options(settings, directories, _LOG, status.rootfs), *_of_container(status, document)]
        asked += [
            (criu.LEAVE_RUNNING, leave_running),
            (criu.TCP_SKIP_IN_FLIGHT, tcp_skip_in_flight),
            (criu.TRACK_MEMORY, pre_dump or bool(parent_path)),
        ]
        if parent_path:
            asked.append((criu.PARENT_IMAGE, parent_path))
        if page_server:
            asked.append((criu.PAGE_SERVER, criu.encode(((1, page_server[0]), (2, page_server[1])))))
        if status_fd is not None:
            asked.append((criu.STATUS_FD, status_fd))
        if not pre_dump:
            streams = [_stream(status.pid, number) for number in (0, 1, 2)]
            launch.write(f"{settings.image_path}/{images.DESCRIPTORS}", streams)
        kind = criu.PRE_DUMP if pre_dump else criu.DUMP
        log = f"{settings.work_path}/{_LOG}"
        criu.run(settings.program, kind, asked, log, lambda _script, _pid, _fds: None, lambda: None)
    finally:
        directories.close()
    if not (pre_dump or leave_running or keep_state):
        delete(root, container_id, force=True)


def _of_container(status: states.Status, document: dict[str, Any]) -> list[Field]:
    """Return what CRIU must know of this container."""
    found: list[Field] = [(criu.PID, status.pid)]
    masked = _masked_files(status.pid, images.masked_paths(document))
    mounts = images.external_mounts(document, status.bundle, masked)
    found += [(criu.EXTERNAL_MOUNT, criu.encode(((1, name), (2, name)))) for name in mounts]
    for kind in images.joined_namespaces(document):
        name, key = images.EXTERNAL_NAMESPACES[kind]
        inode = posix.stat(f"/proc/{status.pid}/ns/{name}").st_ino
        found.append((criu.EXTERNAL, f"{name}[{inode}]:{key}"))
    cgroup = kill.cgroup_of(status)
    directories = cgroup.directories() if cgroup is not None else {}
    freezer = directories.get("freezer") or directories.get("")
    return [*found, (criu.FREEZE_CGROUP, freezer)] if freezer else found


def _masked_files(pid: int, paths: list[str]) -> list[str]:
    """Return those paths on which /dev/null is mounted; directories have file systems of the container's own."""
    with open(f"/proc/{pid}/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        fields = [line.split(" ", 5) for line in file]
    return [place for _id, _parent, _device, root, place, _rest in fields if root == "/null" and place in paths]


def _stream(pid: int, number: int) -> str:
    try:
        return posix.readlink(f"/proc/{pid}/fd/{number}")
    except OSError:
        # Closed by the program.
        return ""
