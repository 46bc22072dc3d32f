"""Writing a tar of read-only files, as archives of images are: no times, no owners, the same bytes each time."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

from storage.layers.stream import BLOCK

if TYPE_CHECKING:
    from collections.abc import Iterable

    from storage.transports.outputs import Output

# Python's and Go's readers want two blocks of zeros; GNU tar, a full record.
_RECORD = 20 * BLOCK


class TarOutput:
    """A tar on its way to an output; nothing is held back."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._size = 0
        self.names: set[str] = set()

    def add(self, name: str, size: int, chunks: Iterable[bytes]) -> None:
        """Write a file; the chunks must be `size` bytes in all."""
        self.names.add(name)
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, 0o444
        self._write(info.tobuf(tarfile.PAX_FORMAT))
        for chunk in chunks:
            self._write(chunk)
        self._write(bytes(-size % BLOCK))

    def link(self, name: str, target: str) -> None:
        """Write a symbolic link."""
        self.names.add(name)
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, target, 0o777
        self._write(info.tobuf(tarfile.PAX_FORMAT))

    def finish(self) -> None:
        """Write the end, and make the archive visible."""
        end = 2 * BLOCK
        self._write(bytes(end + -(self._size + end) % _RECORD))
        self._output.finish()

    def discard(self) -> None:
        """Take back what was not finished."""
        self._output.discard()

    def _write(self, data: bytes) -> None:
        if data:
            self._size += len(data)
            self._output.write(data)
