"""What os.path tells of paths, without `os`: importing that takes a millisecond of commands that take ten."""

from __future__ import annotations

import posix
from _stat import S_ISDIR, S_ISLNK, S_ISREG


def absolute(path: str) -> str:
    """Return a path from the root, without `.`, `..` and double slashes, whatever may be a link on it."""
    names: list[str] = []
    for name in (path if path.startswith("/") else f"{posix.getcwd()}/{path}").split("/"):
        if name == "..":
            del names[-1:]
        elif name not in ("", "."):
            names.append(name)
    return "/" + "/".join(names)


def exists(path: str) -> bool:
    """Tell whether a path leads to something that we may see, links followed."""
    try:
        posix.stat(path)
    except (OSError, ValueError):
        return False
    return True


def lexists(path: str) -> bool:
    """Tell whether there is something at a path, if only a link that leads nowhere."""
    try:
        posix.lstat(path)
    except (OSError, ValueError):
        return False
    return True


def is_link(path: str) -> bool:
    """Tell whether a path is a symbolic link."""
    try:
        return S_ISLNK(posix.lstat(path).st_mode)
    except (OSError, ValueError):
        return False


def is_file(path: str) -> bool:
    """Tell whether a path leads to a regular file, links followed."""
    try:
        return S_ISREG(posix.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def is_directory(path: str) -> bool:
    """Tell whether a path leads to a directory, links followed."""
    try:
        return S_ISDIR(posix.stat(path).st_mode)
    except (OSError, ValueError):
        return False
