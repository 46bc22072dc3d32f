"""The content of a volume as a tar, and a tar's as that of a volume.

A tar is unpacked into a place of its own by the unpacker of layers (confined, so nothing of it leads out), and only
when all of it has been is it moved into the volume: a broken or hostile one changes nothing. Containers may use the
volume meanwhile: its directories are opened below its descriptor, through no link.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tarfile
from typing import IO, TYPE_CHECKING

from pod.containers.rootfs import enter_mount_namespace
from pod.errors import PodError
from pod.volumes import copying, driver, path
from runtime import kernel, syscalls
from storage import gc
from storage.interrupts import Interrupts
from storage.layers.unpacking import UnpackOptions
from storage.layers.worker import fork_unpack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pod.engine import Engine
    from pod.state import Volume

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_RESOLVE = kernel.RESOLVE_BENEATH | kernel.RESOLVE_NO_SYMLINKS | kernel.RESOLVE_NO_MAGICLINKS
_KINDS = {stat.S_IFREG: tarfile.REGTYPE, stat.S_IFDIR: tarfile.DIRTYPE, stat.S_IFLNK: tarfile.SYMTYPE}
_KINDS |= {stat.S_IFIFO: tarfile.FIFOTYPE, stat.S_IFCHR: tarfile.CHRTYPE, stat.S_IFBLK: tarfile.BLKTYPE}


def export(engine: Engine, volume: Volume, output: IO[bytes]) -> None:
    """Write all that a volume holds."""
    top = _open(engine, volume)
    try:
        with tarfile.open(fileobj=output, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            _Export(top, tar).run()
    finally:
        os.close(top)


def import_tar(engine: Engine, volume: Volume, chunks: Iterator[bytes]) -> None:
    """Put the files of a tar, compressed or not, into a volume, in place of those of the same names."""
    try:
        _import(engine, volume, chunks)
    finally:
        gc.empty_trash(engine.store)


def _import(engine: Engine, volume: Volume, chunks: Iterator[bytes]) -> None:
    options = UnpackOptions(rootless=engine.config.rootless, ignore_chown_errors=engine.single_id, plain=True)
    with Interrupts() as interrupts, engine.store.staging() as staging:
        worker = fork_unpack(lambda: chunks, staging.path, options=options)
        try:
            with interrupts.waiting():
                worker.result()
        finally:
            worker.kill()
        top = _open(engine, volume)
        unpacked = os.open(f"{staging.path}/diff", _DIRECTORY)
        try:
            _Merge(unpacked, top).run()
        except RecursionError:
            raise PodError(f"importing into volume {volume.name}: a directory to be replaced is too deep") from None
        except OSError as error:
            raise PodError(f"importing into volume {volume.name}: {(error.strerror or '').lower()}") from error
        finally:
            os.close(unpacked)
            os.close(top)


def _open(engine: Engine, volume: Volume) -> int:
    """Open the volume; one that is a mount in a mount namespace of its own, from which this process never returns."""
    place = path(engine.config, volume.name)
    if driver.is_mounted_by(volume.options):
        place = f"{engine.config.runroot}/mounts"
        os.makedirs(place, 0o700, exist_ok=True)
        enter_mount_namespace()
        driver.attach(engine.config, volume, place)
    return os.open(place, _DIRECTORY)


class _Export:
    """One walk over a volume."""

    def __init__(self, top: int, tar: tarfile.TarFile) -> None:
        self.top = top
        self.tar = tar
        self.links: dict[tuple[int, int], str] = {}

    def run(self) -> None:
        """Write everything."""
        self.tar.addfile(self._described("./", os.fstat(self.top)))
        pending = [""]
        while pending:
            prefix = pending.pop()
            try:
                directory = syscalls.openat2(self.top, prefix or ".", _DIRECTORY, resolve=_RESOLVE)
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                    continue  # a container has removed it since
                raise
            try:
                names = [name for name in sorted(os.listdir(directory)) if self._add(directory, prefix, name)]
                pending += [f"{prefix}{name}/" for name in names]
            finally:
                os.close(directory)

    def _add(self, directory: int, prefix: str, name: str) -> bool:
        """Write one entry; tell whether it is a directory."""
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            kind = stat.S_IFMT(status.st_mode)
            if kind not in _KINDS:
                return False  # a socket
            info = self._described(prefix + name, status)
            if kind == stat.S_IFLNK:
                info.linkname = os.readlink(name, dir_fd=directory)
            if kind in (stat.S_IFREG, stat.S_IFDIR) and not info.islnk():
                return self._add_open(directory, name, info)
        except FileNotFoundError:
            return False
        self.tar.addfile(info)
        return False

    def _add_open(self, directory: int, name: str, info: tarfile.TarInfo) -> bool:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | (os.O_DIRECTORY if info.isdir() else 0)
        descriptor = os.open(name, flags, dir_fd=directory)
        try:
            attributes: dict[str, str] = {}
            for key in os.listxattr(descriptor):
                if key.startswith(("user.", "security.capability")) and not key.startswith("user.overlay."):
                    value = os.getxattr(descriptor, key)
                    attributes[f"SCHILY.xattr.{key}"] = value.decode("utf-8", "surrogateescape")
            info.pax_headers = attributes
            if info.isdir():
                self.tar.addfile(info)
            else:
                info.size = os.fstat(descriptor).st_size
                self.tar.addfile(info, _Padded(descriptor, info.size))  # type: ignore[arg-type]
        finally:
            os.close(descriptor)
        return info.isdir()

    def _described(self, path: str, status: os.stat_result) -> tarfile.TarInfo:
        info = tarfile.TarInfo(path)
        info.type = _KINDS[stat.S_IFMT(status.st_mode)]
        info.mode = stat.S_IMODE(status.st_mode)
        info.uid, info.gid, info.mtime = status.st_uid, status.st_gid, int(status.st_mtime)
        if info.ischr() or info.isblk():
            info.devmajor, info.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
        if info.isreg() and status.st_nlink > 1:
            first = self.links.setdefault((status.st_dev, status.st_ino), path)
            if first != path:
                info.type, info.linkname = tarfile.LNKTYPE, first
        return info


class _Padded:
    """A file that gives exactly as many bytes as its header says, whatever a container does to it meanwhile."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self._left = size

    def read(self, size: int) -> bytes:
        """Return the next bytes; zeros where the file has become shorter."""
        wanted = min(size, self._left)
        data = b""
        while len(data) < wanted:
            piece = os.read(self._descriptor, wanted - len(data))
            if not piece:
                break
            data += piece
        self._left -= wanted
        return data + bytes(wanted - len(data))


class _Merge:
    """Moves an unpacked tree into a volume."""

    def __init__(self, source: int, destination: int) -> None:
        self.source = source
        self.destination = destination

    def run(self) -> None:
        """Move everything, directory by directory; the volume's own directory keeps its attributes."""
        pending = [""]
        done: list[str] = []
        while pending:
            prefix = pending.pop()
            with self._pair(prefix) as (source, destination):
                names = [name for name in os.listdir(source) if self._move(source, destination, name)]
                pending += [f"{prefix}{name}/" for name in names]
            done.append(prefix)
        for prefix in reversed(done[1:]):
            with self._pair(prefix) as (source, destination):
                copying.copy_attributes(source, destination)

    def _pair(self, prefix: str) -> copying.Pair:
        return copying.Pair(self.source, self.destination, prefix or ".")

    def _move(self, source: int, destination: int, name: str) -> bool:
        """Move one entry; True for a directory that is there already, whose entries are to be moved one by one."""
        status = os.stat(name, dir_fd=source, follow_symlinks=False)
        kind = stat.S_IFMT(status.st_mode)
        try:
            present = os.stat(name, dir_fd=destination, follow_symlinks=False)
        except FileNotFoundError:
            present = None
        if present is not None and stat.S_ISDIR(present.st_mode):
            if kind == stat.S_IFDIR:
                return True
            shutil.rmtree(name, dir_fd=destination)
        elif present is not None:
            os.unlink(name, dir_fd=destination)
        try:
            os.rename(name, name, src_dir_fd=source, dst_dir_fd=destination)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            if kind == stat.S_IFDIR:
                os.mkdir(name, 0o700, dir_fd=destination)
                return True
            copying.copy_entry(source, destination, name, status)
        return False
