"""The content of a tar as that of a volume.

A tar is unpacked into a place of its own by the unpacker of layers (confined, so nothing of it leads out), and only
when all of it has been is it moved into the volume: a broken or hostile one changes nothing. Containers may use the
volume meanwhile: its directories are opened below its descriptor, through no link.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from typing import TYPE_CHECKING

from pod.errors import PodError
from pod.volumes import copying
from pod.volumes.export import opened
from storage import gc
from storage.interrupts import Interrupts
from storage.layers.unpacking import UnpackOptions
from storage.layers.worker import fork_unpack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pod.engine import Engine
    from pod.state import Volume

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


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
        top = opened(engine, volume)
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
