"""Giving a tree to a user (`:U`): entry by entry through descriptors, following no link, skipping what is right.

Source: podman-run(1), "Chowning Volume Mounts"; what is refused is refused by containers-storage's pkg/chown too.
"""

from __future__ import annotations

import os

from pod.errors import PodError
from runtime import kernel, syscalls

_RESOLVE = kernel.RESOLVE_BENEATH | kernel.RESOLVE_NO_SYMLINKS | kernel.RESOLVE_NO_MAGICLINKS
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# The host would not work any more.
_DANGEROUS = frozenset(
    "/ /bin /boot /dev /etc /etc/passwd /etc/pki /etc/shadow /home /lib /lib64 /media /opt /proc /root /run /sbin /srv"
    " /sys /tmp /usr /usr/bin /usr/lib /usr/lib64 /usr/local /usr/sbin /usr/share /var /var/cache /var/lib".split()
)


def check(path: str, uid: int, gid: int, home: str) -> None:
    """Refuse to give away what the host lives of. Raises PodError."""
    real = os.path.realpath(path)
    if real in _DANGEROUS or real == os.path.realpath(home):
        raise PodError(f'chowning host path "{path}" is not allowed. You can manually `chown -R {uid}:{gid} {path}`')


def give(path: str, uid: int, gid: int) -> None:
    """Give a file, or a directory with all below it, to a user and a group; does not leave its file system."""
    try:
        top = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            _give_open(top, uid, gid)
        finally:
            os.close(top)
    except OSError as error:
        raise PodError(f"chown {error.filename or path}: {(error.strerror or '').lower()}") from error


def _give_open(top: int, uid: int, gid: int) -> None:
    status = os.fstat(top)
    if (status.st_uid, status.st_gid) != (uid, gid):
        os.chown(f"/proc/self/fd/{top}", uid, gid)
    if not os.path.isdir(f"/proc/self/fd/{top}"):
        return
    device = status.st_dev
    # Paths rather than descriptors wait here: a hostile tree may be as deep as it is wide.
    pending = ["."]
    while pending:
        below = pending.pop()
        directory = _enter(top, below)
        if directory < 0:
            continue
        try:
            if os.fstat(directory).st_dev == device:
                prefix = "" if below == "." else f"{below}/"
                pending += [prefix + name for name in _give_entries(directory, uid, gid)]
        finally:
            os.close(directory)


def _enter(top: int, path: str) -> int:
    """Open a directory below `top`; -1 if it is none any more."""
    try:
        return syscalls.openat2(top, path, _DIRECTORY, resolve=_RESOLVE)
    except (FileNotFoundError, NotADirectoryError):
        return -1
    except OSError as error:
        from errno import ELOOP, EXDEV

        if error.errno in (ELOOP, EXDEV):
            return -1  # changed into a link while we came
        raise


def _give_entries(directory: int, uid: int, gid: int) -> list[str]:
    """Give away the entries of one directory; return those that are directories."""
    directories = []
    with os.scandir(directory) as entries:
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
                if status.st_uid != uid or status.st_gid != gid:
                    os.chown(entry.name, uid, gid, dir_fd=directory, follow_symlinks=False)
            except FileNotFoundError:
                continue
            if entry.is_dir(follow_symlinks=False):
                directories.append(entry.name)
    return directories
