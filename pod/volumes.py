"""Named volumes: directories that outlive containers."""

from __future__ import annotations

import fcntl
import os
import stat

from pod import events, names, state
from pod.errors import PodError, VolumeExistsError
from runtime import kernel, syscalls
from storage import database, gc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.config import Config
    from pod.engine import Engine

# A file beside the data for as long as they are copied up.
_COPYING = "copying"


def path(config: Config, name: str) -> str:
    """Return the directory that containers see."""
    return f"{config.graphroot}/volumes/{name}/_data"


def create(engine: Engine, name: str, *, labels: dict[str, str], options: dict[str, str], ignore: bool) -> str:
    """Create a volume and return its name; an empty name asks for one that is made up and marks it anonymous."""
    anonymous = not name
    name = names.check_name(name) if name else names.new_id()
    with database.transaction(engine.connection):
        added = state.insert_volume(engine.connection, name, anonymous=anonymous, labels=labels, options=options)
        if added:
            prepare(engine, name)
    if added:
        events.record(engine.config, "volume", "create", name=name)
    elif not ignore:
        raise VolumeExistsError(name)
    return name


def prepare(engine: Engine, name: str) -> None:
    """Make the empty directory of a volume, at the end of the transaction that adds its row."""
    directory = f"{engine.config.graphroot}/volumes/{name}"
    # Left by a crash between the row's deletion and the directory's: its data was given up.
    engine.store.discard(directory)
    os.mkdir(directory, 0o700)
    os.mkdir(f"{directory}/_data")
    os.chmod(f"{directory}/_data", 0o755)


def discard(engine: Engine, names: list[str]) -> None:
    """Delete the directories of volumes whose rows were deleted in a transaction before, unless they are there anew."""
    with database.transaction(engine.connection):
        for name in names:
            if not state.has_volume(engine.connection, name):
                engine.store.discard(f"{engine.config.graphroot}/volumes/{name}")
    gc.empty_trash(engine.store)


def copy_up(root: int, target: str, volume: str, owner: tuple[int, int]) -> None:
    """Give an empty volume what the image has at `target`, owner and mode of the directory included.

    One for which the image has nothing becomes `owner`'s (user and group): the container's user can write to it.
    `root` is a descriptor of the mounted root file system; nothing outside of it is read (CVE-2022-23648).
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    try:
        source = syscalls.openat2(root, target, flags, resolve=kernel.RESOLVE_IN_ROOT | kernel.RESOLVE_NO_MAGICLINKS)
    except OSError:
        _give(volume, owner)
        return
    try:
        _fill(source, volume)
    except OSError as error:
        raise PodError(f"copying {target} of the image into the volume: {(error.strerror or '').lower()}") from error
    finally:
        os.close(source)


def _give(volume: str, owner: tuple[int, int]) -> None:
    """Change the owner of a volume that nobody has used."""
    descriptor = os.open(volume, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if (status.st_uid, status.st_gid) == (os.geteuid(), os.getegid()) and not os.listdir(descriptor):
            os.fchown(descriptor, *owner)
    finally:
        os.close(descriptor)


def _fill(source: int, volume: str) -> None:
    """Copy into a volume if it is empty: one process at a time, all or nothing."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    parent = os.open(os.path.dirname(volume), flags)  # not the volume itself, which containers could keep locked
    destination = -1
    try:
        fcntl.flock(parent, fcntl.LOCK_EX)
        destination = os.open(volume, flags)
        if _COPYING in os.listdir(parent):
            _empty(volume, destination)  # the copy was killed
        if not os.listdir(destination):
            os.close(os.open(_COPYING, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=parent))
            try:
                _copy_tree(source, destination)
            except BaseException:
                _empty(volume, destination)
                raise
            finally:
                os.unlink(_COPYING, dir_fd=parent)
    finally:
        for descriptor in (parent, destination):
            if descriptor >= 0:
                os.close(descriptor)


def _empty(volume: str, descriptor: int) -> None:
    for name in os.listdir(descriptor):
        gc.remove_tree(f"{volume}/{name}")


def _copy_tree(source: int, destination: int) -> None:
    for name in os.listdir(source):
        status = os.stat(name, dir_fd=source, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            os.mkdir(name, 0o700, dir_fd=destination)
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            below, copy = os.open(name, flags, dir_fd=source), os.open(name, flags, dir_fd=destination)
            try:
                _copy_tree(below, copy)
            finally:
                os.close(below)
                os.close(copy)
        elif stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=destination)
            os.chown(name, status.st_uid, status.st_gid, dir_fd=destination, follow_symlinks=False)
        elif stat.S_ISREG(status.st_mode):
            _copy_file(source, destination, name)
    _copy_attributes(source, destination)


def _copy_file(source: int, destination: int, name: str) -> None:
    reader = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=source)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        writer = os.open(name, flags, 0o600, dir_fd=destination)
        try:
            while os.sendfile(writer, reader, None, 1 << 30):
                pass
            _copy_attributes(reader, writer)
        finally:
            os.close(writer)
    finally:
        os.close(reader)


def _copy_attributes(source: int, destination: int) -> None:
    status = os.fstat(source)
    os.fchown(destination, status.st_uid, status.st_gid)
    os.fchmod(destination, stat.S_IMODE(status.st_mode))
    for name in os.listxattr(source):
        if not name.startswith(("trusted.overlay.", "user.overlay.", "security.selinux")):
            try:
                os.setxattr(destination, name, os.getxattr(source, name))
            except OSError:
                continue  # the volume's file system may not know this attribute
    os.utime(destination, ns=(status.st_atime_ns, status.st_mtime_ns))
