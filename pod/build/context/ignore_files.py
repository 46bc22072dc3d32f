"""Which file says what a build leaves out, and reading it.

Source: podman-build(1), --ignorefile; containerignore(5); the Dockerfile reference, "Filename and location".
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from pod.build.context.ignore import IgnoreRules
from pod.errors import PodError
from runtime import inroot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_ENDINGS = (".containerignore", ".dockerignore")
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_MOST = 16 << 20


@dataclass(frozen=True)
class Ignored:
    """The rules of a context, and the file that they are from; none without one."""

    rules: IgnoreRules
    path: str = ""


def find(
    root: int, shown: str, *, ignorefile: str = "", beside: Sequence[str] = (), inside: Sequence[str] = ()
) -> Ignored:
    """Return the rules for a context: `root` is its descriptor, `shown` what it is called.

    The file that the user names counts; else one that is called as a Containerfile with an ending of its own
    (`beside`: Containerfiles by paths of the host; `inside`: by paths in the context); else .containerignore, else
    .dockerignore of the context, which no link leads out of (CVE-2022-4122). Raises PodError for rules that are none.
    """
    if ignorefile:
        try:
            return _parsed(_read(os.open(ignorefile, _READ), ignorefile), ignorefile)
        except OSError as error:
            raise PodError(f"open {ignorefile}: {(error.strerror or str(error)).lower()}") from error
    for path in beside:
        for ending in _ENDINGS:
            try:
                return _parsed(_read(os.open(path + ending, _READ), path + ending), path + ending)
            except FileNotFoundError:
                continue
    for path in [containerfile + ending for containerfile in inside for ending in _ENDINGS] + list(_ENDINGS):
        name = f"{shown.rstrip('/')}/{path}"
        try:
            return _parsed(_read(inroot.open_path(root, path, _READ), name), name)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise PodError(f"open {name}: {(error.strerror or str(error)).lower()}") from error
    return Ignored(IgnoreRules())


def _read(descriptor: int, name: str) -> bytes:
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise PodError(f"open {name}: it is not a regular file")
        content = file.read(_MOST + 1)
    if len(content) > _MOST:
        raise PodError(f"open {name}: it has more than {_MOST >> 20} MiB")
    return content


def _parsed(content: bytes, name: str) -> Ignored:
    try:
        return Ignored(IgnoreRules.parse(content), name)
    except PodError as error:
        raise PodError(f"error reading {name}: {error}", hint=error.hint) from error
