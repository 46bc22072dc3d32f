"""Where a copy goes in a root file system: found and made inside of it, whatever links lead where."""

from __future__ import annotations

import errno
import os
import posixpath
from dataclasses import dataclass

from pod.errors import PodError
from runtime import inroot

_DIRECTORY = os.O_PATH | os.O_DIRECTORY


@dataclass(frozen=True)
class Place:
    """A directory in the root file system, and the name that a single file gets there; empty for its own."""

    directory: str
    name: str = ""


def find(root: int, destination: str, workdir: str, *, into: bool) -> Place:
    """Return where sources go; `into`: they are several, or a directory, which need a directory.

    Raises PodError for a destination that is something else.
    """
    path = posixpath.join("/", workdir, destination)
    slash = path.endswith(("/", "/.", "/.."))
    path = posixpath.normpath(path)
    try:
        os.close(inroot.open_path(root, path, _DIRECTORY))
        return Place(path)
    except OSError as error:
        if error.errno == errno.ENOTDIR and (into or slash):
            raise PodError(
                f"destination {path} already exists but is not a directory",
                hint="several files, and what is in a directory, are copied to a directory only",
            ) from error
        if error.errno not in (errno.ENOENT, errno.ENOTDIR):
            raise
    return Place(path) if into or slash else Place(posixpath.dirname(path), posixpath.basename(path))


def make(root: int, directory: str, owner: tuple[int, int], *, lenient: bool = False) -> None:
    """Make a directory with those above it, all of this owner and 0755; those that are there stay as they are."""
    missing: list[str] = []
    path = posixpath.normpath(f"/{directory.lstrip('/')}")
    while True:
        try:
            os.close(inroot.open_path(root, path, _DIRECTORY))
            break
        except FileNotFoundError:
            missing.append(path)
            path = posixpath.dirname(path)
        except NotADirectoryError as error:
            raise PodError(f"destination {directory}: {path} is not a directory") from error
    if not missing:
        return
    os.close(inroot.make(root, missing[0], directory=True))
    for path in reversed(missing):
        made = inroot.open_path(root, path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fchmod(made, 0o755)
            os.fchown(made, *owner)
        except OSError as error:
            if not (lenient and error.errno in (errno.EPERM, errno.EINVAL)):
                raise
        finally:
            os.close(made)
