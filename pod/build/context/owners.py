"""Whose what is copied becomes: `--chown USER[:GROUP]`, by the root file system's own /etc/passwd and /etc/group."""

from __future__ import annotations

from pod.containers.inside import users
from pod.errors import PodError


def resolve(root: int, text: str) -> tuple[int, int]:
    """Return user and group by the files below the descriptor `root`, which may be hostile.

    A number alone is user and group, a name has the group that they list, a group alone is root's, as with podman.
    Raises PodError for names that they do not have.
    """
    name, colon, group = text.partition(":")
    if not name and not group:
        raise PodError(
            f'looking up UID/GID for "{text}": a name or a number is missing', hint="write USER or USER:GROUP"
        )
    try:
        found = users.resolve(root, text, [])
    except PodError as error:
        raise PodError(
            f'looking up UID/GID for "{text}": {error}', hint="the image's /etc/passwd and /etc/group have the names"
        ) from error
    alone = not colon and users.parse_id(name) is not None
    return found.uid, found.uid if alone else found.gid
