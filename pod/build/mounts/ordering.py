"""The order in which the mounts of a RUN are made, its own and those that every step of the build has.

None hides one that is mounted below it, wherever they come from and however they are ordered there: as with other
builders.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pod.containers.spec import mounts as spec_mounts
from runtime import inroot

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


def joined(mounts: Sequence[dict[str, Any]], added: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the mounts of a runtime spec with those of a step, whose sources are there.

    What would be mounted below one of these that cannot be written to, and has no place for it, is left out: a step
    that mounts a context at /etc is given no /etc/hosts.
    """
    found: list[dict[str, Any]] = []
    own = {id(mount) for mount in added}
    for mount in spec_mounts.arranged([*mounts, *added]):
        above = [one for one in found if _is_below(mount["destination"], one["destination"])]
        if id(mount) in own or not above or id(above[-1]) not in own or _has_place(above[-1], mount["destination"]):
            found.append(mount)
    return found


def _is_below(path: str, other: str) -> bool:
    names, above = inroot.components(path), inroot.components(other)
    return len(names) > len(above) and names[: len(above)] == above


def _has_place(mount: dict[str, Any], path: str) -> bool:
    """Tell whether a mount has, or can be given, a place for something to be mounted below it."""
    if "ro" not in mount["options"]:
        return True
    if mount["type"] == "tmpfs":
        return False
    names = inroot.components(path)[len(inroot.components(mount["destination"])) :]
    try:
        root = os.open(mount["source"], os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except NotADirectoryError:
        return True  # the runtime will say what is wrong
    try:
        os.close(inroot.open_path(root, "/".join(names)))
    except OSError:
        return False
    finally:
        os.close(root)
    return True
