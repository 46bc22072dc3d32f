"""What ADD does more than COPY: archives are unpacked, files come from the web, trees from git repositories.

What comes from elsewhere is put into a private directory first, and is a selection from there: `digests` and `copying`
treat it as any other. Source: the Dockerfile reference, ADD.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pod.build.context import archives, download, git, resolution
from pod.build.context.selection import Entry, Selection, Tree, Wanted, select
from pod.errors import PodError

if TYPE_CHECKING:
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


def fetch(source: str, workshop: Workshop, *, checksum: str = "", keep_git_dir: bool = False) -> Added:
    """Fetch a source from the web or from a git repository. Raises PodError for what cannot be had."""
    added = Added()
    try:
        repository = git.parse(source)
        place = workshop.new("added")
        if repository is not None:
            if checksum:
                raise PodError(f"checksum is not supported for git source {source}", hint="name a commit: #COMMIT")
            descriptor = git.fetch(repository, place, workshop.environment, keep_git_dir=keep_git_dir)
            added.keep(descriptor)
            added.selections.append(select(descriptor, ["."], Wanted(shown=source)))
            added.into = True
        else:
            os.mkdir(place, 0o700)
            descriptor = added.open(place)
            name = download.download(source, descriptor, checksum)
            entry = Entry(name, os.stat(name, dir_fd=descriptor))
            added.selections.append(Selection(descriptor, [Tree("", name, [entry])], shown=source))
    except BaseException:
        added.close()
        raise
    return added


def expand(selection: Selection, workshop: Workshop) -> Added:
    """Unpack those of the selected files that are archives by their content; all else stays as it is.

    In their order, for what comes later takes the place of what came before. Owners are those of the archives. Raises
    PodError for one that is damaged, or would lead out of its place.
    """
    added = Added(into=len(selection.trees) > 1)
    try:
        for tree in selection.trees:
            unpacked = _unpacked(selection, tree, workshop, added)
            if unpacked is not None:
                added.into = True
                added.selections.append(unpacked)
            else:
                added.selections.append(replace(selection, trees=[tree]))
    except BaseException:
        added.close()
        raise
    return added


def _unpacked(selection: Selection, tree: Tree, workshop: Workshop, added: Added) -> Selection | None:
    """Return what is in an archive; None for anything else."""
    if not tree.name or tree.entries[0].content is not None:
        return None
    entry = tree.entries[0]
    if not stat.S_ISREG(entry.status.st_mode):
        return None
    parent = resolution.open_directory(selection.root, tree.place)
    try:
        reader = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
    finally:
        os.close(parent)
    try:
        if not archives.is_tar_file(reader):
            return None
        os.lseek(reader, 0, os.SEEK_SET)
        place = workshop.new("unpacked")
        os.mkdir(place, 0o700)
        root = added.open(archives.unpack(archives.read(reader), place, workshop.unpacking, tree.name))
        return select(root, ["."], Wanted(from_image=True, shown=selection.told(tree.name)))
    finally:
        os.close(reader)
