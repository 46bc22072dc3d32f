"""Who a container's process is: --user and the image's USER, looked up in the image's own /etc/passwd and /etc/group.

Both files are hostile: they are opened inside the root file system, must be regular files, and are read up to a limit.
Numbers are never looked up as names.
"""

from __future__ import annotations

import posix
import stat

from pod.errors import PodError
from runtime import kernel, syscalls

MAX_ID = 2**32 - 2
_SIZE_LIMIT = 4 << 20


class User:
    """The numbers that a process runs with, and the home that goes with them."""

    __slots__ = ("additional_gids", "gid", "home", "is_listed", "uid")

    def __init__(self, uid: int, gid: int, additional_gids: list[int], home: str, *, is_listed: bool) -> None:
        self.uid = uid
        self.gid = gid
        self.additional_gids = additional_gids
        self.home = home
        self.is_listed = is_listed  # whether /etc/passwd has an entry for uid


def resolve(root: int, text: str, group_add: list[str]) -> User:
    """Resolve "user[:group]" inside the root file system that the directory descriptor `root` stands for.

    Raises PodError for a name that is not in its passwd and group.
    """
    user_text, _, group_text = text.partition(":")
    entry = _passwd_entry(root, user_text or "0")
    number = parse_id(user_text or "0")
    if entry is None and number is None:
        raise PodError(f"unable to find user {user_text}: no matching entries in passwd file")
    uid = number if number is not None else int(entry[2]) if entry else 0
    gid = int(entry[3]) if entry else 0
    groups = [_group_id(root, name) for name in group_add]
    if group_text:
        gid = _group_id(root, group_text)
    elif entry:
        groups += _groups_of(root, entry[0])
    # Else a program that changes its group would lose the first one, and what that may not read (CVE-2022-2989).
    groups.append(gid)
    return User(uid, gid, sorted(set(groups)), entry[5] if entry else "/", is_listed=entry is not None)


def parse_id(text: str) -> int | None:
    """Return a numeric ID, or None for a name. Raises PodError for numbers out of range (CVE-2024-40635)."""
    digits = text[1:] if text[:1] in ("-", "+") else text
    if not (digits.isascii() and digits.isdecimal()):
        return None
    if digits != text or int(text) > MAX_ID:
        raise PodError(f"uids and gids must be in range 0-{MAX_ID}: {text}")
    return int(text)


def read_file(root: int, path: str) -> bytes:
    """Return the content of a regular file inside a root file system; empty if there is none."""
    try:
        descriptor = syscalls.openat2(
            root,
            path,
            posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK | posix.O_NOCTTY,
            resolve=kernel.RESOLVE_IN_ROOT | kernel.RESOLVE_NO_MAGICLINKS,
        )
    except OSError:
        return b""
    try:
        if not stat.S_ISREG(posix.fstat(descriptor).st_mode):
            return b""
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(_SIZE_LIMIT)
    finally:
        posix.close(descriptor)


def knows(root: int, user: str) -> bool:
    """Tell whether the root file system's /etc/passwd has a name, or a number."""
    return _passwd_entry(root, user) is not None


def knows_group(root: int, gid: int) -> bool:
    """Tell whether the root file system's /etc/group has a number."""
    return any(fields[2] == str(gid) for fields in _lines(root, "etc/group", 4))


def ids_in(content: bytes) -> list[int]:
    """Return all user and group IDs that a file in the format of passwd(5) or group(5) names."""
    found = []
    for line in content.decode("utf-8", "surrogateescape").splitlines():
        fields = line.split(":")
        found += [int(field) for field in fields[2 : 4 if len(fields) > 4 else 3] if _is_id(field)]
    return found


def _passwd_entry(root: int, user: str) -> list[str] | None:
    # A number is never looked up as a name: an entry named "0" must not make anyone root.
    key = 0 if parse_id(user) is None else 2
    for fields in _lines(root, "etc/passwd", 7):
        if fields[key] == user and _is_id(fields[2]) and _is_id(fields[3]):
            return fields
    return None


def _group_id(root: int, group: str) -> int:
    number = parse_id(group)
    if number is not None:
        return number
    for fields in _lines(root, "etc/group", 4):
        if fields[0] == group and _is_id(fields[2]):
            return int(fields[2])
    raise PodError(f"unable to find group {group}: no matching entries in group file")


def _groups_of(root: int, name: str) -> list[int]:
    lines = _lines(root, "etc/group", 4)
    return [int(fields[2]) for fields in lines if _is_id(fields[2]) and name in fields[3].split(",")]


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and int(text) <= MAX_ID


def _lines(root: int, path: str, fields: int) -> list[list[str]]:
    text = read_file(root, path).decode("utf-8", "surrogateescape")
    split = (line.split(":") for line in text.splitlines() if line and not line.startswith("#"))
    return [parts for parts in split if len(parts) >= fields]
