"""A tar as a set of named files: an index of where each lies, never an extraction.

All of it comes from strangers: names stay inside, links lead to other members or nowhere, and what the index costs is
bounded whatever the headers say.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from storage.errors import CorruptError, StorageError
from storage.layers import tar
from storage.layers.stream import FileStream
from storage.transports.files import CHUNK

if TYPE_CHECKING:
    from collections.abc import Iterator

# An image has a few files for each layer; what has more is not one, and would cost memory.
_MAX_MEMBERS = 100_000
_MAX_TEXT = 16 << 20  # bytes of their names and of the targets of links
_MAX_LINKS = 16
# Two of them would be read differently by different programs.
_DOCUMENTS = frozenset(("manifest.json", "index.json", "repositories", "oci-layout"))


class NotTarError(CorruptError):
    """A file is no tar at all, rather than a damaged one."""


class Archive:
    """The members of an uncompressed tar in an open file, which belongs to this object from now on."""

    def __init__(self, fd: int, path: str) -> None:
        self.path = path
        self._fd = fd
        self._members: dict[str, tuple[int, int]] = {}
        self._links: dict[str, str] = {}
        self._sparse: set[str] = set()
        try:
            self._index()
        except BaseException:
            self.close()
            raise

    def has(self, name: str) -> bool:
        """Tell whether there is a member of this name."""
        return name in self._members or name in self._links

    def resolve(self, name: str) -> str:
        """Give the member that a name leads to through links inside of the archive."""
        member: str | None = name
        for _ in range(_MAX_LINKS):
            if member is None or member in self._members:
                break
            member = self._links.get(member)
        if member in self._members:
            return member
        raise StorageError(f"{self.path}: {name!a} is not in the archive"[:500])

    def size(self, name: str) -> int:
        """Give the size of a member."""
        return self._find(name)[1]

    def chunks(self, name: str, offset: int = 0) -> Iterator[bytes]:
        """Yield what a member holds from offset on; positions of the open file are not touched."""
        start, size = self._find(name)
        position, end = start + offset, start + size
        while position < end:
            data = os.pread(self._fd, min(CHUNK, end - position), position)
            if not data:
                raise CorruptError(f"{self.path}: the archive has been cut short meanwhile")
            position += len(data)
            yield data

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _find(self, name: str) -> tuple[int, int]:
        member = self.resolve(name)
        if member in self._sparse:
            raise CorruptError(f"{self.path}: {member!a} is a sparse file")
        return self._members[member]

    def _index(self) -> None:
        stream = FileStream(self._fd)
        documents: set[str] = set()
        seen = text = 0
        try:
            for entry in tar.Reader(stream):
                name = os.fsdecode(entry.name)
                if name in documents:
                    raise CorruptError(f"{name} is there twice")
                if name in _DOCUMENTS:
                    documents.add(name)
                seen += 1
                text += len(entry.name) + len(entry.link)
                if seen > _MAX_MEMBERS:
                    raise CorruptError(f"more than {_MAX_MEMBERS} files")
                if text > _MAX_TEXT:
                    raise CorruptError(f"more than {_MAX_TEXT} bytes of names")
                self._note(entry, name, stream.position)
        except CorruptError as error:
            if not seen:
                raise NotTarError(f"{self.path}: not a tar archive: {error}") from error
            raise CorruptError(f"{self.path}: damaged archive: {error}") from error
        if not seen:
            raise NotTarError(f"{self.path}: not a tar archive: there is nothing in it")

    def _note(self, entry: tar.Entry, name: str, position: int) -> None:
        """Keep where a member is; of several with the same name the last one counts, as when they are extracted."""
        self._members.pop(name, None)
        self._links.pop(name, None)
        if entry.kind == tar.REGULAR:
            self._members[name] = (position, entry.size)
            if entry.segments is not None:
                self._sparse.add(name)
        elif entry.kind == tar.LINK:
            self._links[name] = _inside(entry.link)
        elif entry.kind == tar.SYMLINK:
            base = b"" if entry.link.startswith(b"/") else entry.name.rpartition(b"/")[0] + b"/"
            self._links[name] = _inside(base + entry.link)


def _inside(target: bytes) -> str:
    """Give the member that a link means; one that leaves the archive leads to a name that no member has."""
    try:
        return os.fsdecode(tar.clean(target))
    except CorruptError:
        return os.fsdecode(target)
