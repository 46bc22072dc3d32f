"""What is being written outside of the store, remembered in it: the collector removes what a writer left that died.

The writer's staging directory, locked as any other, holds a symbolic link to the file or directory. The link is made
first and goes last, so whatever is unfinished is known.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING

from storage.errors import StorageError
from storage.store import random_name
from storage.trees import remove_tree

if TYPE_CHECKING:
    from storage.store import Staging, Store

_LINK = "unfinished"
_OURS = re.compile(r"\.[^/]*\.[0-9a-f]{24}")


class Unfinished:
    """The path at which a writer has what is not finished; nobody is told of it without a store, or if that is full."""

    def __init__(self, directory: str, name: str, store: Store | None) -> None:
        """Choose a new hidden path in a directory, named after what is to become of it."""
        self.name = f".{name[:200]}.{random_name()}"
        self.path = os.path.join(os.path.realpath(directory), self.name)
        self._staging: Staging | None = None
        if store is not None:
            # A full disk is a reason to save images elsewhere: that is not to fail for want of a note.
            with contextlib.suppress(StorageError, OSError):
                self._staging = store.staging()
                os.symlink(self.path, os.path.join(self._staging.path, _LINK))

    def forget(self) -> None:
        """End: there is nothing at the path any more."""
        if self._staging is not None:
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(self._staging.path, _LINK))
            with contextlib.suppress(OSError):
                self._staging.remove()
            self._staging = None


def is_empty(directory: str) -> bool:
    """Tell whether a directory has nothing in it but what is, or was left, unfinished."""
    return all(_OURS.fullmatch(name) for name in os.listdir(directory))


def remove(staging: str) -> None:
    """Remove what a staging directory remembers; its writer is gone. What cannot be removed now is left for good."""
    try:
        path = os.readlink(os.path.join(staging, _LINK))
        if os.path.isabs(path) and _OURS.fullmatch(os.path.basename(path)):
            remove_tree(path)
    except OSError:
        pass
