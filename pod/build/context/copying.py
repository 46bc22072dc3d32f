"""Copying a selection into a root file system: COPY, once it is settled what and where to.

Directories are made first, from the top down; then each is filled by itself, which several processes do side by side.
Every directory is opened inside the root (RESOLVE_IN_ROOT), every name in it without following a link. Nobody else
uses the root file system meanwhile; of what fails half way the caller throws the whole away.
Source: the Dockerfile reference, COPY; what it leaves open is as `podman build` does it.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass

from pod.build.context import destination
from pod.build.context.filling import Filler, Filling, Rules, make_way
from runtime import inroot
from storage import worker
from storage.errors import NoSpaceError, StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pod.build.context.modes import Mode
    from pod.build.context.selection import Entry, Selection, Tree

# So many files are worth a second process.
_MANY = 2000
_KIND = 0o170000
_DEVICES = (stat.S_IFCHR, stat.S_IFBLK)
_DIRECTORY = os.O_PATH | os.O_DIRECTORY
_ROOT = (0, 0)
_NO_SPACE = frozenset((errno.ENOSPC, errno.EDQUOT))


@dataclass(frozen=True)
class Change:
    """What becomes of owners and modes; without, they are those of an image, or root's if they are a context's."""

    owner: tuple[int, int] | None = None
    mode: Mode | None = None
    lenient: bool = False  # owners that cannot be had are not: with a single ID in the user namespace
    devices: bool = True  # else they are left out: no ordinary user can make one


@dataclass(frozen=True)
class Copied:
    """What a copy was: `changed` if a file was not any more what the selection had, nor then its digest."""

    changed: bool = False


def copy(
    selection: Selection,
    root: int,
    target: str,
    *,
    workdir: str = "/",
    change: Change | None = None,
    into: bool = False,
) -> Copied:
    """Copy a selection to a destination in the root file system `root` (a directory's descriptor).

    `into`: the destination must be a directory, for other selections are copied to it as well.
    Needs the right to change owners: root, or root of a user namespace. Raises PodError for a destination that cannot
    be, OSError for a disk that is full.
    """
    asked = change = change or Change()
    if selection.unpacked:  # only the directory that it is unpacked to is whose --chown says
        change = Change(lenient=change.lenient, devices=change.devices)
    owner = change.owner if change.owner is not None or selection.from_image else _ROOT
    rules = Rules(owner, change.mode, selection.from_image, change.lenient, _umask())
    into = into or len(selection.trees) > 1 or any(not tree.name or tree.under for tree in selection.trees)
    place = destination.find(root, target, workdir, into=into)
    destination.make(root, place.directory, asked.owner or _ROOT, lenient=change.lenient)
    changed = False
    # One after the other: what comes later takes the place of what came before.
    for tree in selection.trees:
        plan = _Plan(tree, place.directory.rstrip("/"), place.name, devices=change.devices)
        for path, _ in plan.directories:
            _make_directory(root, path)
        changed = _fill(selection.root, root, rules, plan.fillings) or changed
        _link(root, plan)
    return Copied(changed)


def _umask() -> int:
    """Return the process's mask of permissions, which can be read in no other way without changing it."""
    with open("/proc/self/status", "rb") as file:
        line = next(line for line in file if line.startswith(b"Umask:"))
    return int(line.split()[1], 8)


class _Plan:
    """What is to be done for one tree.

    `links` are further names of files: directory, name, and directory and name of the first.
    """

    def __init__(self, tree: Tree, target: str, name: str, *, devices: bool) -> None:
        self.directories: list[tuple[str, Entry]] = [(f"{target}/{entry.path}", entry) for entry in tree.above]
        self.links: list[tuple[str, str, str, str]] = []
        above = [Filling(path, None, own=entry) for path, entry in self.directories]
        self._tree = tree
        self._left_out = () if devices else _DEVICES
        self._base = f"{target}/{tree.under}" if tree.under else target
        self._first: dict[tuple[int, int], tuple[str, str]] = {}
        self._by_directory: dict[str, Filling] = {"": Filling(self._base or "/", tree.place)}
        if tree.name:
            (entry,) = tree.entries
            if entry.status.st_mode & _KIND not in self._left_out:
                self._by_directory[""].entries.append((entry, name or tree.name))
            self._by_directory[""].source = _joined(tree.place, entry.path.rpartition("/")[0])
        else:
            for entry in tree.entries:
                self._add(entry)
        # --parents: attributes of the directories above come when all is in them.
        self.fillings = [*self._by_directory.values(), *reversed(above)]

    def _add(self, entry: Entry) -> None:
        above, _, name = entry.path.rpartition("/")
        status = entry.status
        kind = status.st_mode & _KIND
        if kind == stat.S_IFDIR:
            path = f"{self._base}/{entry.path}"
            self.directories.append((path, entry))
            self._by_directory[entry.path] = Filling(path, _joined(self._tree.place, entry.path), own=entry)
            return
        if kind in self._left_out:
            return  # else its further names would be links to what is not there
        if status.st_nlink > 1:
            here = (f"{self._base}/{above}", name)
            first = self._first.setdefault((status.st_dev, status.st_ino), here)
            if first != here:
                self.links.append((*here, *first))
                return
        self._by_directory[above].entries.append((entry, name))


def _joined(above: str, name: str) -> str:
    return f"{above}/{name}" if above and name else above or name


def _make_directory(root: int, path: str) -> None:
    """Make a directory, in place of anything that is none; who may use it is settled when all is in it."""
    above, _, name = path.rpartition("/")
    parent = inroot.open_path(root, above or "/", _DIRECTORY)
    try:
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
        except FileExistsError:
            if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                make_way(parent, name)
                os.mkdir(name, 0o700, dir_fd=parent)
    finally:
        os.close(parent)


def _fill(source: int, target: int, rules: Rules, fillings: list[Filling]) -> bool:
    """Fill directories, in two processes where there is much to do; tell whether a file was not as selected."""
    if sum(len(filling.entries) for filling in fillings) < _MANY:
        return _fill_here(source, target, rules, fillings)
    mine, others = _halves(fillings)

    def work(progress: Callable[[int], None]) -> dict[str, Any]:
        try:
            return {"changed": _fill_here(source, target, rules, others)}
        except OSError as error:
            text = f"copy {error.filename}: {(error.strerror or '').lower()}"
            raise (NoSpaceError if error.errno in _NO_SPACE else StorageError)(text) from error

    other = worker.fork(worker.Worker, work, "copy files")
    try:
        changed = _fill_here(source, target, rules, mine)
        return bool(other.values()["changed"]) or changed
    finally:
        other.kill()


def _fill_here(source: int, target: int, rules: Rules, fillings: list[Filling]) -> bool:
    filler = Filler(source, target, rules)
    for filling in fillings:
        filler.fill(filling)
    return filler.changed


def _halves(fillings: list[Filling]) -> tuple[list[Filling], list[Filling]]:
    """Part directories so that both parts have about as many files; one with many of them is parted itself."""
    parts: tuple[list[Filling], list[Filling]] = ([], [])
    counts = [0, 0]
    for filling in fillings:
        less = 0 if counts[0] <= counts[1] else 1
        parts[less].append(filling)
        counts[less] += len(filling.entries) + 1
    return parts


def _link(root: int, plan: _Plan) -> None:
    """Give files their further names; the times of the directories that these are in are set once more."""
    touched = {directory for directory, *_ in plan.links}
    for directory, name, first_directory, first in plan.links:
        there = inroot.open_path(root, directory, _DIRECTORY)
        try:
            _link_one(root, there, name, first_directory, first)
        finally:
            os.close(there)
    for filling in plan.fillings:
        if filling.target in touched and filling.own is not None:
            status = filling.own.status
            made = inroot.open_path(root, filling.target, os.O_RDONLY | os.O_DIRECTORY)
            os.utime(made, ns=(status.st_atime_ns, status.st_mtime_ns))
            os.close(made)


def _link_one(root: int, directory: int, name: str, first_directory: str, first: str) -> None:
    source = inroot.open_path(root, first_directory, _DIRECTORY)
    try:
        try:
            os.link(first, name, src_dir_fd=source, dst_dir_fd=directory, follow_symlinks=False)
        except FileExistsError:
            make_way(directory, name)
            os.link(first, name, src_dir_fd=source, dst_dir_fd=directory, follow_symlinks=False)
    finally:
        os.close(source)
