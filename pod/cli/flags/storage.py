"""Flags on what is mounted: volumes, host directories, memory."""

from __future__ import annotations

from pod import values
from pod.containers import mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option

    from pod.containers.create import CreateOptions


def declare(
    options: CreateOptions,
    *,
    mount: Annotated[
        list[str] | None,
        Option("--mount", metavar="stringArray", help="Attach a filesystem mount (type=bind|volume|tmpfs,target=…)"),
    ] = None,
    read_only: Annotated[bool, Option("--read-only", help="Make containers root filesystem read-only")] = False,
    shm_size: Annotated[
        str, Option("--shm-size", metavar="<number>[<unit>]", help="Size of /dev/shm (unit = b, k, m or g)")
    ] = "",
    tmpfs: Annotated[
        list[str] | None,
        Option("--tmpfs", metavar="tmpfs", help="Mount a temporary filesystem (tmpfs) into a container"),
    ] = None,
    volume: Annotated[
        list[str] | None,
        Option("--volume", "-v", metavar="stringArray", help="Bind mount a volume ([SOURCE:]TARGET[:OPTIONS])"),
    ] = None,
) -> None:
    """Note what is asked for. Raises PodError for what makes no sense."""
    options.mounts = _mounts(volume or [], mount or [], tmpfs or [])
    options.read_only = read_only
    if shm_size:
        options.shm_size = values.parse_size(shm_size)


def _mounts(volumes: list[str], mount: list[str], tmpfs: list[str]) -> list[mounts.Mount]:
    return [
        *(mounts.parse_volume(item) for item in volumes),
        *(mounts.parse_mount(item) for item in mount),
        *(mounts.parse_tmpfs(item) for item in tmpfs),
    ]
