"""Which program is executed: looked up in the container's PATH, as the kernel would find it, before anything starts."""

from __future__ import annotations

import posix
import stat
from errno import EACCES, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR

from runtime import inroot
from runtime.errors import CommandNotFoundError, NotExecutableError, OCIRuntimeError

_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NO_PROGRAM = (
    "is the image for another architecture (qemu-user-static and binfmt-support run its programs),"
    " or the file no program?"
)
_NOT_FOUND = (ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG)


def resolve(name: str, environment: dict[str, str], *, as_user: bool) -> str:
    """Return the path to execute. `as_user`: this process has the container's final identity, so permissions count."""
    if "/" in name:
        _check(name, name, as_user)
        return name
    denied: NotExecutableError | None = None
    for directory in environment.get("PATH", _DEFAULT_PATH).split(":") if name else ():
        path = f"{directory or '.'}/{name}"
        try:
            _check(path, name, as_user)
        except CommandNotFoundError:
            continue
        except NotExecutableError as error:
            denied = denied or error
            continue
        return path
    if denied:
        raise denied
    raise CommandNotFoundError(f"executable file `{name}` not found in $PATH: {reason(ENOENT)}")


def _check(path: str, name: str, as_user: bool) -> None:
    try:
        status = posix.stat(path)
    except OSError as error:
        if error.errno in _NOT_FOUND:
            raise CommandNotFoundError(f"executable file `{name}` not found: {reason(error.errno)}") from error
        raise NotExecutableError(f"open executable `{path}`: {reason(error.errno)}") from error
    executable = stat.S_ISREG(status.st_mode) and status.st_mode & 0o111
    if not executable or (as_user and not posix.access(path, posix.X_OK)):
        raise NotExecutableError(f"open executable `{path}`: {reason(EACCES)}")


def reason(number: int | None) -> str:
    """Return an error's name as Go spells it: docker tells 126 and 127 from 125 by these very words."""
    words = posix.strerror(number or 0)
    return words[:1].lower() + words[1:]


def exec_failure(number: int, path: str) -> OCIRuntimeError:
    """Return what a failed execve means."""
    message = f"exec `{path}`: {reason(number)}"
    if number in _NOT_FOUND:
        return CommandNotFoundError(message, hint="is the interpreter of the script, or the ELF loader, in the image?")
    if number == EACCES:
        return NotExecutableError(message)
    return NotExecutableError(message, hint=_NO_PROGRAM)


def home(root: int, uid: int) -> str:
    """Return the home directory of a user by the container's /etc/passwd; `/` if it does not say."""
    for line in inroot.read_small_file(root, "etc/passwd").split(b"\n"):
        fields = line.split(b":")
        if len(fields) > 5 and fields[2].isdigit() and len(fields[2]) < 11 and int(fields[2]) == uid:
            return fields[5].decode("utf-8", "surrogateescape") or "/"
    return "/"
