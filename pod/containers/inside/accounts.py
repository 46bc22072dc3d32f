"""The entries in a container's /etc/passwd and /etc/group for a user that the image does not list.

The image's files are read inside its root file system; what is added goes into copies beside the container's other
files, which are mounted over the image's. A name or a home that came from elsewhere cannot make lines of its own.
Source: podman-run(1), --passwd, --passwd-entry, --group-entry, --hostuser.
"""

from __future__ import annotations

import os

from pod.containers.inside import users
from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.containers.configuration import ContainerConfig, Identity


class HostUser:
    """A user of the host that a container shall know."""

    __slots__ = ("gid", "home", "name", "real_name", "uid")

    def __init__(self, name: str, uid: int, gid: int, real_name: str, home: str) -> None:
        self.name = name
        self.uid = uid
        self.gid = gid
        self.real_name = real_name
        self.home = home

    def line(self) -> str:
        """Return the line of passwd(5)."""
        return _line(f"{self.name}:*:{self.uid}:{self.gid}:{self.real_name}:{self.home}:/bin/sh", "--hostuser")


def host_user(text: str) -> HostUser:
    """Return the user of the host with this name or number. Raises PodError if there is none."""
    import pwd

    try:
        found = pwd.getpwuid(int(text)) if text.isascii() and text.isdecimal() else pwd.getpwnam(text)
    except (KeyError, OverflowError, ValueError):
        raise PodError(f"user: unknown user {text}", hint="--hostuser takes a user of the host") from None
    return HostUser(found.pw_name, found.pw_uid, found.pw_gid, found.pw_gecos.partition(",")[0], found.pw_dir)


def resolve(root: int, config: ContainerConfig) -> users.User:
    """Resolve the user of a container's process, also among the users that --hostuser brings."""
    names = config["identity"]["host_users"]
    if names:
        wanted, colon, _ = config["user"].partition(":")
        for one in map(host_user, names):
            if not colon and wanted == one.name and not users.knows(root, wanted):
                groups = users.resolve(root, f"{one.uid}:{one.gid}", config["group_add"]).additional_gids
                return users.User(one.uid, one.gid, groups, one.home, is_listed=True)
    return users.resolve(root, config["user"], config["group_add"])


def write(
    document: dict[str, Any], config: ContainerConfig, root: int, user: users.User, files: str, *, name: str
) -> None:
    """Write the files that the container needs, and add their mounts to the spec.

    `name` is what the user is called if the image has no name for it.
    """
    identity = config["identity"]
    if not identity["passwd"]:
        return
    for kind, lines in (("passwd", _users(identity, root, user, name)), ("group", _groups(identity, root, user, name))):
        if not lines:
            continue
        content = users.read_file(root, f"etc/{kind}")
        if not content:
            continue  # an image without users has no use for one
        if not content.endswith(b"\n"):
            content += b"\n"
        path = f"{files}/{kind}"
        with open(path, "wb") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(content + "".join(lines).encode("utf-8", "surrogateescape"))
        document["mounts"].append(
            {"destination": f"/etc/{kind}", "type": "bind", "source": path, "options": ["bind", "rprivate"]}
        )


def _users(identity: Identity, root: int, user: users.User, name: str) -> list[str]:
    others = [host_user(text) for text in identity["host_users"]]
    lines = [one.line() for one in others if not users.knows(root, str(one.uid)) and not users.knows(root, one.name)]
    if not user.is_listed and user.uid != 0 and all(one.uid != user.uid for one in others):
        template = identity["passwd_entry"] or "$USERNAME:*:$UID:$GID:$NAME:$HOME:/bin/sh"
        values = _values(user, name) | {"NAME": "container user"}
        lines.append(_filled(template, values, "--passwd-entry"))
    return lines


def _groups(identity: Identity, root: int, user: users.User, name: str) -> list[str]:
    if user.is_listed or user.gid == 0 or users.knows_group(root, user.gid):
        return []
    values = _values(user, name)
    template = identity["group_entry"] or "$NAME:x:$GID:$USERNAME"
    return [
        _filled(
            template, values | {"NAME": _plain(name) or str(user.gid), "USERLIST": values["USERNAME"]}, "--group-entry"
        )
    ]


def _values(user: users.User, name: str) -> dict[str, str]:
    """Return what the variables of a template stand for; what would break the line is left out."""
    values = {"USERNAME": _plain(name) or str(user.uid), "UID": str(user.uid), "GID": str(user.gid)}
    return values | {"HOME": _plain(user.home) or "/"}


def _plain(text: str) -> str:
    return "" if any(sign in text for sign in ":\n\r\0") else text


def _filled(template: str, values: dict[str, str], flag: str) -> str:
    for name in sorted(values, key=len, reverse=True):  # $USERNAME before a shorter name that it begins with
        template = template.replace(f"${{{name}}}", values[name]).replace(f"${name}", values[name])
    return _line(template, flag)


def _line(text: str, flag: str) -> str:
    if any(sign in text for sign in "\n\r\0"):
        raise PodError(f"invalid {flag}: it must be one line")
    return f"{text}\n"
