"""Unpacking a tar into a directory of a container: `pod cp - CONTAINER:DIRECTORY`.

Neither the tar nor what is in the directory leads out of it: every name is resolved by openat2(RESOLVE_IN_ROOT).
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from pod.containers.copying.tree import Attributes, Copier
from pod.errors import PodError
from runtime import inroot
from storage.compression import inflate
from storage.errors import CorruptError
from storage.layers import tar
from storage.layers.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pod.containers.copying.tree import Policy
    from storage.layers.tar import Entry

_DEVICES = {tar.CHARACTER: stat.S_IFCHR, tar.BLOCK_DEVICE: stat.S_IFBLK, tar.FIFO: stat.S_IFIFO}
_NO_TAR = "source must be a (compressed) tar archive when copying from stdin"


def extract(chunks: Iterator[bytes], directory: int, policy: Policy) -> None:
    """Unpack a tar, compressed or not, into a directory. Raises PodError for what is no tar."""
    pieces = _checked(inflate(chunks))
    job = _Extraction(Stream(pieces, lambda _: None), directory, policy)
    try:
        job.run()
    except CorruptError as error:
        raise PodError(str(error)) from error


def _checked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Pass on a stream whose first block is the header of a tar, or its end."""
    head = b""
    try:
        for piece in pieces:
            head += piece
            if len(head) >= 512:
                break
    except CorruptError as error:
        raise PodError(_NO_TAR) from error
    if len(head) < 512 or (head[257:262] != b"ustar" and head[:512].strip(b"\0") and not _is_old(head[:512])):
        raise PodError(_NO_TAR)
    yield head
    yield from pieces


def _is_old(header: bytes) -> bool:
    """Tell a header from before POSIX by its checksum."""
    digits = header[148:156].strip(b" \0")
    total = sum(header[:148]) + sum(header[156:]) + 256
    return digits.isdigit() and not digits.strip(b"01234567") and int(digits, 8) == total


class _Extraction:
    """One tar that is being unpacked."""

    def __init__(self, stream: Stream, directory: int, policy: Policy) -> None:
        self._reader = tar.Reader(stream)
        self._directory = directory
        self._copier = Copier(policy, directory)
        self._late: dict[str, Attributes] = {}  # directories get their times when all is in them

    def run(self) -> None:
        """Unpack all."""
        for entry in self._reader:
            name = os.fsdecode(entry.name)
            above, _, last = name.rpartition("/")
            if not last:
                continue  # the directory itself
            parent = inroot.make(self._directory, above or ".", directory=True)
            try:
                self._one(entry, parent, last, name)
            finally:
                os.close(parent)
        for name, attributes in reversed(self._late.items()):
            self._finish(name, attributes)

    def _one(self, entry: Entry, parent: int, last: str, name: str) -> None:
        attributes = _attributes(entry)
        copier = self._copier
        if entry.kind == tar.DIRECTORY:
            if copier.make_directory(parent, last):
                self._late[name] = attributes
        elif entry.kind == tar.LINK:
            first = os.fsdecode(tar.clean(entry.link))
            if not copier.put_hard_link(parent, last, first):
                raise PodError(f"link {name} to {first}: no such file or directory")
        elif entry.kind == tar.SYMLINK:
            copier.put_link(parent, last, attributes, entry.link)
        elif entry.kind in _DEVICES:
            device = 0 if entry.kind == tar.FIFO else os.makedev(entry.major & 0xFFF, entry.minor & 0xFFFFF)
            copier.put_node(parent, last, attributes, _DEVICES[entry.kind], device)
        else:
            copier.put_file(parent, last, attributes, lambda writer: self._content(entry, writer))

    def _content(self, entry: Entry, writer: int) -> None:
        if entry.segments is None:
            self._reader.stream.copy(writer, entry.size)
        else:
            for offset, length in entry.segments:
                os.lseek(writer, offset, os.SEEK_SET)
                self._reader.stream.copy(writer, length)
            os.ftruncate(writer, entry.real_size)
        self._reader.unread = 0

    def _finish(self, name: str, attributes: Attributes) -> None:
        try:
            made = inroot.open_path(self._directory, name, os.O_PATH | os.O_DIRECTORY)
        except OSError:
            return  # the container has moved it meanwhile
        try:
            self._copier.finish(made, attributes)
        finally:
            os.close(made)


def _attributes(entry: Entry) -> Attributes:
    attributes = Attributes(entry.uid, entry.gid, entry.mode, (entry.atime, entry.mtime))
    for raw, value in entry.xattrs:
        name = os.fsdecode(raw)
        if (name.startswith("user.") and not name.startswith("user.overlay.")) or name == "security.capability":
            attributes.xattrs.append((name, value))
    return attributes
