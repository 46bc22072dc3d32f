"""Flags on what is mounted: volumes, host directories, images, memory, secrets."""

from __future__ import annotations

from pod import values
from pod.containers.mounts import mount as mounts
from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option

    from pod.containers.create import CreateOptions


def declare(
    options: CreateOptions,
    *,
    chrootdirs: Annotated[
        list[str] | None,
        Option("--chrootdirs", metavar="strings", help="Chroot directories inside the container"),
    ] = None,
    image_volume: Annotated[
        str,
        Option("--image-volume", metavar="string", help='How to handle volumes of the image ("bind"|"tmpfs"|"ignore")'),
    ] = "bind",
    mount: Annotated[
        list[str] | None,
        Option("--mount", metavar="stringArray", help="Attach a filesystem mount (type=bind|volume|tmpfs,target=…)"),
    ] = None,
    read_only: Annotated[bool, Option("--read-only", help="Make containers root filesystem read-only")] = False,
    read_only_tmpfs: Annotated[
        bool,
        Option("--read-only-tmpfs", help="With --read-only, mount a read-write tmpfs on /dev, /run, /tmp and /var/tmp"),
    ] = True,
    secret: Annotated[
        list[str] | None,
        Option("--secret", metavar="stringArray", help="Add secret to container (NAME[,type=mount|env][,target=…])"),
    ] = None,
    shm_size: Annotated[
        str, Option("--shm-size", metavar="<number>[<unit>]", help="Size of /dev/shm (unit = b, k, m or g)")
    ] = "",
    shm_size_systemd: Annotated[
        str,
        Option(
            "--shm-size-systemd",
            metavar="<number>[<unit>]",
            help="Size of the engine's own tmpfs on /run, /tmp and the like (unit = b, k, m or g)",
        ),
    ] = "",
    tmpfs: Annotated[
        list[str] | None,
        Option("--tmpfs", metavar="tmpfs", help="Mount a temporary filesystem (tmpfs) into a container"),
    ] = None,
    volume: Annotated[
        list[str] | None,
        Option("--volume", "-v", metavar="stringArray", help="Bind mount a volume ([SOURCE:]TARGET[:OPTIONS])"),
    ] = None,
    volumes_from: Annotated[
        list[str] | None,
        Option("--volumes-from", metavar="stringArray", help="Mount volumes from the specified container(s)"),
    ] = None,
) -> None:
    """Note what is asked for. Raises PodError for what makes no sense."""
    options.mounts = [mounts.parse_volume(item) for item in volume or []]
    if mount:
        from pod.containers.mounts.flag import parse_mount

        options.mounts += [one for item in mount for one in parse_mount(item)]
    options.mounts += [mounts.parse_tmpfs(item) for item in tmpfs or []]
    options.volumes_from = volumes_from or []
    options.image_volume = image_volume
    options.read_only = read_only
    options.storage["read_only_tmpfs"] = read_only_tmpfs
    if image_volume not in ("bind", "tmpfs", "ignore", "anonymous"):
        raise PodError(f'invalid image volume mode "{image_volume}" required value: bind, tmpfs, ignore')
    if chrootdirs:
        options.storage["chrootdirs"] = [
            mounts.absolute(path if path.startswith("/") else f"/{path}")
            for item in chrootdirs
            for path in item.split(",")
            if path
        ]
    if shm_size:
        options.shm_size = _size("--shm-size", shm_size)
    if shm_size_systemd:
        options.storage["shm_size_systemd"] = _size("--shm-size-systemd", shm_size_systemd)
    if secret:
        from pod import secrets

        options.secrets = [secrets.parse_request(item) for item in secret]


def _size(flag: str, text: str) -> int:
    try:
        return values.parse_size(text)
    except PodError as error:
        raise PodError(f"unable to translate {flag}: {error}", hint=error.hint) from error
