"""Flags on the namespaces that the container has of its own, or shares."""

from __future__ import annotations

from pod.containers.namespaces import choice as namespaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option

    from pod.containers.create import CreateOptions


def declare(
    options: CreateOptions,
    *,
    cgroupns: Annotated[str, Option("--cgroupns", metavar="string", help="Cgroup namespace to use")] = "",
    gidmap: Annotated[
        list[str] | None, Option("--gidmap", metavar="strings", help="GID map to use for the user namespace")
    ] = None,
    ipc: Annotated[str, Option("--ipc", metavar="string", help="IPC namespace to use")] = "",
    pid: Annotated[str, Option("--pid", metavar="string", help="PID namespace to use")] = "",
    subgidname: Annotated[
        str,
        Option("--subgidname", metavar="string", help="Name of range listed in /etc/subgid for use in user namespace"),
    ] = "",
    subuidname: Annotated[
        str,
        Option("--subuidname", metavar="string", help="Name of range listed in /etc/subuid for use in user namespace"),
    ] = "",
    uidmap: Annotated[
        list[str] | None, Option("--uidmap", metavar="strings", help="UID map to use for the user namespace")
    ] = None,
    userns: Annotated[str | None, Option("--userns", metavar="string", help="User namespace to use")] = None,
    uts: Annotated[str, Option("--uts", metavar="string", help="UTS namespace to use")] = "",
) -> None:
    """Note what is asked for. Raises PodError for what makes no sense."""
    for kind, value in (("pid", pid), ("ipc", ipc), ("uts", uts), ("cgroup", cgroupns)):
        options.namespaces[kind] = namespaces.check(kind, value)  # type: ignore[literal-required]
    if userns is not None or uidmap or gidmap or subuidname or subgidname:
        from pod.containers.namespaces import userns as user_namespaces

        uids, gids = _separate(uidmap), _separate(gidmap)
        options.id_map_flags = user_namespaces.MapFlags(uids, gids, subuidname, subgidname)
        if userns is not None:
            options.namespaces["user"] = user_namespaces.check(userns) or "host"


def _separate(items: list[str] | None) -> list[str]:
    return [part for item in items or [] for part in item.split(",")]
