"""Telling archives from other files by their content, and unpacking them where nobody looks yet."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from pod.errors import PodError
from storage.compression import inflate, kind
from storage.errors import CorruptError
from storage.layers.tar import is_header
from storage.layers.unpacking import UnpackOptions
from storage.layers.worker import fork_unpack

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = 512
_READ = 1 << 20


def is_tar(chunks: Iterator[bytes]) -> bool:
    """Tell whether what comes is a tar, compressed or not, by its first header; reads no more than that needs."""
    head = b""
    try:
        for piece in inflate(chunks):
            head += piece
            if len(head) >= _BLOCK:
                break
    except CorruptError:
        return False
    return is_header(head[:_BLOCK])


def is_compressed(head: bytes) -> bool:
    """Tell whether what begins so is compressed in a way that archives are."""
    return kind(head) != "plain"


def is_tar_file(descriptor: int) -> bool:
    """Tell whether an open file, at its beginning, is an archive."""
    return stat.S_ISREG(os.fstat(descriptor).st_mode) and is_tar(read(descriptor))


def read(descriptor: int) -> Iterator[bytes]:
    """Yield what a file gives."""
    while data := os.read(descriptor, _READ):
        yield data


def unpack(chunks: Iterator[bytes], directory: str, options: UnpackOptions, shown: str) -> str:
    """Unpack a tar into an empty directory that is nobody's yet; return the path of the tree in it.

    A confined process does it, which ends with this one. Raises PodError for what is no tar, or one that would lead
    out of its place.
    """
    worker = fork_unpack(lambda: chunks, directory, options=options)
    try:
        worker.result()
    except CorruptError as error:
        raise PodError(f"unpacking {shown}: {error}") from error
    finally:
        worker.kill()
    return f"{directory}/diff"


def options(*, rootless: bool, single_id: bool) -> UnpackOptions:
    """Return how an archive that is no layer is unpacked."""
    return UnpackOptions(rootless=rootless, ignore_chown_errors=single_id, plain=True)
