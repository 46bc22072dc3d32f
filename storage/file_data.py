"""The content of one file put into another, for whoever copies trees: by the kernel, holes as holes."""

from __future__ import annotations

import errno
import os

_CHUNK = 1 << 27
# Where copy_file_range(2) does not serve: other file systems, kinds of files, kernels.
_NOT_BY_KERNEL = frozenset(
    (
        errno.EOPNOTSUPP,
        errno.EISDIR,
        errno.ENOENT,
        errno.EINVAL,
        errno.EXDEV,
        errno.ENOSYS,
        errno.EPERM,
        errno.EBADF,
    )
)


def copy_data(reader: int, writer: int) -> None:
    """Copy a file's content, holes as holes; by the kernel alone, or not at all on file systems that share blocks."""
    size = os.fstat(reader).st_size
    position = 0
    by_kernel = True
    while position < size:
        try:
            start = os.lseek(reader, position, os.SEEK_DATA)
            end = os.lseek(reader, start, os.SEEK_HOLE)
        except OSError as error:
            if error.errno == errno.ENXIO:
                break  # nothing but a hole is left
            start, end = position, size
        by_kernel = _copy_range(reader, writer, start, end, by_kernel=by_kernel)
        position = end
    os.ftruncate(writer, max(size, os.fstat(writer).st_size))


def _copy_range(reader: int, writer: int, start: int, end: int, *, by_kernel: bool) -> bool:
    """Copy a part; tell whether the kernel does it without our help."""
    while start < end and by_kernel:
        try:
            done = os.copy_file_range(reader, writer, min(end - start, _CHUNK), start, start)
        except OSError as error:
            if error.errno not in _NOT_BY_KERNEL:
                raise
            by_kernel = False
            break
        if not done:
            return by_kernel  # it became shorter
        start += done
    if start < end:
        os.lseek(writer, start, os.SEEK_SET)
        while start < end:
            done = os.sendfile(writer, reader, start, min(end - start, _CHUNK))
            if not done:
                break
            start += done
    return by_kernel
