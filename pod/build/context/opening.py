"""The context of a build, opened: a directory of the user's own, or a private one that was filled from elsewhere."""

from __future__ import annotations

import os
from dataclasses import dataclass

from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType


@dataclass
class Context:
    """A directory that a build copies from.

    `fd` is its descriptor, `shown` what messages call it. `containerfile` is the text that came in place of a context.
    """

    fd: int
    shown: str
    containerfile: bytes | None = None

    def close(self) -> None:
        """Close it."""
        os.close(self.fd)

    def __enter__(self) -> Context:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_directory(path: str) -> Context:
    """Open a directory of the user's as a context. Raises PodError for what is none."""
    try:
        return Context(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), os.path.abspath(path))
    except NotADirectoryError:
        raise PodError(f"context must be a directory: {path!r}", hint="-f names the Containerfile") from None
    except OSError as error:
        cause = (error.strerror or str(error)).lower()
        raise PodError(f'context directory "{path}" cannot be opened: {cause}') from error
