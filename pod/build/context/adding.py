"""What ADD does more than COPY: archives are unpacked, files come from the web, trees from git repositories.

What comes from elsewhere is put into a private directory first, and is a selection from there: `digests` and `copying`
treat it as any other. Source: the Dockerfile reference, ADD.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pod import download
from pod.build.context import archives, git, resolution
from pod.build.context.selection import Entry, Selection, Tree, Wanted, select

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from pod.build.context.opening import Workshop

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass
class Added:
    """Selections, each to be copied to the same destination, and the directories that they are from.

    `into`: they need a directory as destination, for there are several or one is an archive's content.
    """

    selections: list[Selection] = field(default_factory=list)
    into: bool = False
    _opened: list[int] = field(default_factory=list)

    def close(self) -> None:
        """Close the directories; what is in them is removed with the workshop."""
        for descriptor in self._opened:
            os.close(descriptor)
        self._opened.clear()

    def __enter__(self) -> Added:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self, path: str) -> int:
        """Open a private directory for as long as the selections are in use."""
        return self.keep(os.open(path, _DIRECTORY))

    def keep(self, descriptor: int) -> int:
        """Keep a descriptor open for as long as the selections are in use."""
        self._opened.append(descriptor)
        return descriptor


def is_remote(source: str) -> bool:
    """Tell whether a source of ADD is not in the context."""
    return download.is_url(source) or git.parse(source) is not None


def fetch(source: str, place: str, workshop: Workshop, *, checksum: str = "", keep_git_dir: bool = False) -> str:
    """Fetch a source from the web or from a git repository into a new directory, however long that takes.

    Returns the name of the file in it, none for a repository. Raises PodError for what cannot be had.
    """
    repository = git.parse(source)
    if repository is not None:
        if checksum:
            repository = git.promised(repository, checksum)
        git.fetch(repository, place, workshop.environment, keep_git_dir=keep_git_dir)
        return ""
    os.mkdir(place, 0o700)
    descriptor = os.open(place, _DIRECTORY)
    try:
        return download.download(source, descriptor, checksum)
    finally:
        os.close(descriptor)


def fetched(source: str, place: str, name: str) -> Added:
    """Return what `fetch` has brought. Raises PodError for a directory that the repository does not have."""
    added = Added()
    try:
        repository = git.parse(source)
        if repository is not None:
            descriptor = added.keep(git.inside(place, repository))
            added.selections.append(select(descriptor, ["."], Wanted(shown=source)))
            added.into = True
        else:
            descriptor = added.open(place)
            entry = Entry(name, os.stat(name, dir_fd=descriptor))
            added.selections.append(Selection(descriptor, [Tree("", name, [entry])], shown=source))
    except BaseException:
        added.close()
        raise
    return added


def has_archives(selection: Selection) -> bool:
    """Tell whether there is something among the selected files to unpack."""
    return any(_is_archive(selection, tree) for tree in selection.trees)


def unpack(selection: Selection, workshop: Workshop) -> list[str]:
    """Unpack those of the selected files that are archives by their content, however long that takes.

    Returns the path of the tree that each came to, none for what is no archive. Owners are those of the archives.
    Raises PodError for one that is damaged, or would lead out of its place.
    """
    return [_unpack(selection, tree, workshop) for tree in selection.trees]


def unpacked(selection: Selection, paths: Sequence[str]) -> Added:
    """Return what `unpack` has made of selected files: archives as what is in them, all else as it is.

    In their order, for what comes later takes the place of what came before.
    """
    added = Added(into=len(selection.trees) > 1)
    try:
        for tree, path in zip(selection.trees, paths, strict=True):
            if path:
                added.into = True
                wanted = Wanted(from_image=True, shown=selection.told(tree.name))
                added.selections.append(replace(select(added.open(path), ["."], wanted), unpacked=True))
            else:
                added.selections.append(replace(selection, trees=[tree]))
    except BaseException:
        added.close()
        raise
    return added


def _is_archive(selection: Selection, tree: Tree) -> bool:
    if not tree.name or tree.entries[0].content is not None or not stat.S_ISREG(tree.entries[0].status.st_mode):
        return False
    reader = _open(selection, tree)
    try:
        return archives.is_tar_file(reader)
    finally:
        os.close(reader)


def _unpack(selection: Selection, tree: Tree, workshop: Workshop) -> str:
    if not _is_archive(selection, tree):
        return ""
    reader = _open(selection, tree)
    try:
        place = workshop.new("unpacked")
        os.mkdir(place, 0o700)
        return archives.unpack(archives.read(reader), place, workshop.unpacking, tree.name)
    finally:
        os.close(reader)


def _open(selection: Selection, tree: Tree) -> int:
    parent = resolution.open_directory(selection.root, tree.place)
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return os.open(tree.entries[0].path, flags, dir_fd=parent)
    finally:
        os.close(parent)
