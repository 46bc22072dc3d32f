"""Layers that are not unpacked, shown as directories: mounted for this process alone, attached nowhere.

The kernel mounts EROFS from files, on another file system than tmpfs, since 6.12; and takes what is attached nowhere as
a layer of an overlay since 6.15. Root's alone, for the kernel trusts what it reads there.
"""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from storage import syscalls
from storage.store import INDEX, TAR

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


def mount(index: str) -> int:
    """Mount an index with the tar beside it; return the fd of the root directory, which keeps it mounted."""
    source = os.open(index, _READ)
    try:
        tar = os.open(index.removesuffix(INDEX) + TAR, _READ)
        try:
            # Not by their paths: an option has 255 bytes.
            options = [("source", f"/proc/self/fd/{source}"), ("device", f"/proc/self/fd/{tar}")]
            return syscalls.mount_detached("erofs", options)
        finally:
            os.close(tar)
    finally:
        os.close(source)


def obstacle(directory: str) -> str:
    """Say what keeps layers in files of this directory from being part of an overlay, if anything.

    It is tried with empty ones, in a directory that is made there meanwhile.
    """
    from storage.layers.erofs import index
    from storage.layers.erofs.nodes import Nodes

    try:
        with tempfile.TemporaryDirectory(dir=directory) as place:
            with open(f"{place}/{TAR}", "xb") as file:
                file.truncate(1024)
            with open(f"{place}/{INDEX}", "xb") as file:
                index.write(file, Nodes().root, 1024)
            with Opened([f"{place}/{INDEX}"] * 2) as lowers:
                os.close(syscalls.mount_detached("overlay", [("lowerdir+", lower) for lower in lowers]))
    except OSError as error:
        why = "the kernel mounts it from files since 6.12, in overlays since 6.15, and not from tmpfs"
        return f"{(error.strerror or '').lower()} ({why})"
    return ""


class Opened:
    """A context manager whose value is the layers as directories, each path valid in this process until the end."""

    def __init__(self, lowers: Sequence[str]) -> None:
        self._lowers = lowers
        self._fds: list[int] = []

    def __enter__(self) -> list[str]:
        try:
            return [self._directory(lower) for lower in self._lowers]
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def _directory(self, lower: str) -> str:
        if not lower.endswith(INDEX):
            return lower
        self._fds.append(mount(lower))
        return f"/proc/self/fd/{self._fds[-1]}/."  # for who does not follow links, among them this one

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for fd in self._fds:
            os.close(fd)
        self._fds.clear()
