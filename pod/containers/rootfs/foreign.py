"""--rootfs: a directory of the host as root file system, as it is or with `:O` and `:idmap`. Source: podman-run(1)."""

from __future__ import annotations

import os

from pod.containers.rootfs import overlay as rootfs
from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.config import Config
    from pod.containers.configuration import ContainerConfig
    from pod.containers.spec.surroundings import Surroundings


def parse(text: str) -> tuple[str, dict[str, Any]]:
    """Return the directory of PATH[:O][:idmap] and what follows for the container's identity.

    Raises PodError for a directory or an option that there is not.
    """
    path = text
    found: dict[str, Any] = {}
    while not os.path.isdir(path) and ":" in path:
        path, _, option = path.rpartition(":")
        if option == "O":
            found["rootfs_overlay"] = True
        elif option == "idmap":
            found["rootfs_idmap"] = option
        else:
            raise PodError(f'invalid --rootfs option "{option}"', hint="known are O and idmap")
    if not os.path.isdir(path):
        raise PodError(f"stat {path}: no such directory")
    return os.path.abspath(path), found


def overlay(
    config: Config, container: ContainerConfig, directory: str, surroundings: Surroundings
) -> rootfs.Overlay | None:
    """Return what is to be mounted; None for a directory that is used as it is. With `:O` earlier changes are gone.

    Raises PodError where IDs cannot be mapped.
    """
    identity = container["identity"]
    mapped: list[int] = []
    if identity["rootfs_idmap"]:
        if surroundings.id_mappings is None:
            raise PodError("--rootfs with idmap needs a user namespace", hint="say --userns or --uidmap as well")
        from pod.containers.rootfs import shifted

        mapped = shifted.mapped([container["rootfs"]], surroundings.id_mappings)
        if not mapped:
            raise PodError(
                f"mount {container['rootfs']} with mapped IDs: operation not permitted",
                hint="the kernel maps the IDs of a file system for root only, and not of every kind",
            )
    if not mapped and not identity["rootfs_overlay"]:
        return None
    if identity["rootfs_overlay"]:
        _empty(directory)
    found = rootfs.Overlay(
        lowers=[container["rootfs"]], directory=directory, rootless=config.rootless, volatile=True, mapped=mapped
    )
    found.is_plain = not identity["rootfs_overlay"]
    return found


def _empty(directory: str) -> None:
    from storage import gc

    for name in ("upper", "work"):
        gc.remove_tree(f"{directory}/{name}")
        os.mkdir(f"{directory}/{name}", 0o755)
