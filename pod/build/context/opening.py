"""The context of a build, opened: a directory of the user's own, or a private one that was filled from elsewhere.

Source: podman-build(1); docker's "Build context".
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from pod import download
from pod.build.context import archives, git
from pod.errors import PodError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

    from storage.layers.unpacking import UnpackOptions

_BLOCK = 512
_MOST_TEXT = 16 << 20
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass
class Context:
    """A directory that a build copies from.

    `fd` is its descriptor, `shown` what messages call it. `containerfile` is the text that came in place of a context,
    which then has no files. A `private` one has come from elsewhere: its Containerfile is looked for in it.
    """

    fd: int
    shown: str
    containerfile: bytes | None = None
    private: bool = False

    def close(self) -> None:
        """Close it; what was put into the place for private contexts is removed with that."""
        os.close(self.fd)

    def __enter__(self) -> Context:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True)
class Workshop:
    """What opening a context that is no directory needs.

    `place` is a directory of this command alone, on a disk, which the caller removes whatever happens (a staging
    directory of the store); `environment` is the user's, `unpacking` how archives are unpacked there.
    """

    place: str
    environment: Mapping[str, str]
    unpacking: UnpackOptions
    keep_git_dir: bool = False

    def new(self, purpose: str) -> str:
        """Return a path in the place at which there is nothing yet."""
        return f"{self.place}/{purpose}-{os.urandom(6).hex()}"


def open_directory(path: str) -> Context:
    """Open a directory of the user's as a context. Raises PodError for what is none."""
    try:
        return Context(os.open(path, _DIRECTORY), os.path.abspath(path))
    except NotADirectoryError:
        raise PodError(f"context must be a directory: {path!r}", hint="-f names the Containerfile") from None
    except OSError as error:
        cause = (error.strerror or str(error)).lower()
        raise PodError(f'context directory "{path}" cannot be opened: {cause}') from error


def open_context(word: str, workshop: Workshop, *, stdin: int = 0) -> Context:
    """Open what the word of the command line names: a directory, `-`, an address in the web, a git repository.

    Raises PodError for what is none of these or cannot be had.
    """
    if word == "-":
        return _from_stream(archives.read(stdin), word, workshop)
    repository = git.parse(word)
    if repository is not None:
        place = workshop.new("git")
        git.fetch(repository, place, workshop.environment, keep_git_dir=workshop.keep_git_dir)
        return Context(git.inside(place, repository), word, private=True)
    if download.is_url(word):
        return _from_stream(download.chunks(word), word, workshop)
    return open_directory(word)


def _from_stream(chunks: Iterator[bytes], shown: str, workshop: Workshop) -> Context:
    """Take a stream for an archive, compressed or not, or for the text of a Containerfile, by how it begins."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= _BLOCK:
            break
    place = workshop.new("context")
    os.mkdir(place, 0o700)
    if archives.is_compressed(head) or archives.is_tar(iter([head])):
        tree = archives.unpack(chain([head], chunks), place, workshop.unpacking, shown)
        return Context(os.open(tree, _DIRECTORY | os.O_NOFOLLOW), shown, private=True)
    text = bytearray(head)
    for chunk in chunks:
        text += chunk
        if len(text) > _MOST_TEXT:
            raise PodError(
                f"{shown}: neither an archive nor a Containerfile",
                hint="send a tar, compressed or not, or a Containerfile",
            )
    return Context(os.open(place, _DIRECTORY | os.O_NOFOLLOW), shown, bytes(text), private=True)
