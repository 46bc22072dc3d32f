"""Which files of a context an instruction copies: sources with wildcards, ignore rules, --exclude, --parents.

A selection is what was there in one walk, as lstat(2) told it; `digests` tells two apart, `copying` copies one. Nothing
outside of the context is reached, by whatever links and renames. Source: the Dockerfile reference, COPY.
"""

from __future__ import annotations

import os
import posixpath
import stat
from dataclasses import dataclass, field

from pod.build.context import resolution
from pod.build.context.ignore import IgnoreRules, glob, has_magic
from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import NoReturn

_NO_RULES = IgnoreRules()
_KIND = 0o170000


class Entry:
    """One file, directory or link: its path below its tree's place, what lstat(2) said, a link's target."""

    __slots__ = ("content", "link", "path", "status")

    def __init__(self, path: str, status: os.stat_result, link: str = "", content: bytes | None = None) -> None:
        self.path = path
        self.status = status
        self.link = link
        self.content = content  # of a file that is in no context, but in the Containerfile itself


@dataclass
class Tree:
    """What one path of the context gives.

    `place` is the directory, without links, that the entries' paths are relative to; a directory comes before what is
    in it. `name` is what a single file is called in a directory that it is copied to; empty for a directory, whose
    contents are copied. `above` are the directories that --parents keeps, `under` the last of them.
    """

    place: str
    name: str = ""
    entries: list[Entry] = field(default_factory=list)
    under: str = ""
    above: list[Entry] = field(default_factory=list)


@dataclass
class Selection:
    """What an instruction copies from below the directory descriptor `root`.

    `from_image`: owners and set-user-ID bits are those of an image, and stay; of a context they do not. `unpacked`: it
    is an archive's content, of which neither --chown nor --chmod change anything. `shown` is what messages call the
    place.
    """

    root: int
    trees: list[Tree]
    from_image: bool = False
    shown: str = ""
    unpacked: bool = False

    def told(self, path: str) -> str:
        """Return what messages call a path of it."""
        return f"{self.shown.rstrip('/')}/{path}"


@dataclass(frozen=True)
class Wanted:
    """What an instruction asks of a context, and how the user is told of it.

    `shown` is what the context is called, `ignored_by` the file that the rules are from.
    """

    rules: IgnoreRules = _NO_RULES
    excludes: tuple[str, ...] = ()
    parents: bool = False
    from_image: bool = False
    shown: str = ""
    ignored_by: str = ".containerignore"


def inline(files: Sequence[tuple[str, bytes]], *, time: int = 0) -> Selection:
    """Return the files that a Containerfile brings itself (here-documents), by name; `time` in nanoseconds."""
    trees = []
    for name, content in files:
        seconds = time // 1_000_000_000
        fields = (stat.S_IFREG | 0o644, 0, 0, 1, 0, 0, len(content), seconds, seconds, seconds)
        status = os.stat_result(fields, {"st_atime_ns": time, "st_mtime_ns": time, "st_ctime_ns": time})
        trees.append(Tree("", name, [Entry(name, status, content=content)]))
    return Selection(-1, trees)


def select(root: int, sources: Sequence[str], wanted: Wanted) -> Selection:
    """Return what the sources of an instruction are.

    A pattern that nothing matches is nothing, as `lock*` where there is no lock file, if there is another source.
    Raises PodError for one that is not there, is left out, or cannot be read.
    """
    walk = _Walk(root, wanted)
    selection = Selection(root, [], wanted.from_image, wanted.shown)
    for source in sources:
        selection.trees += walk.source(source)
    if not selection.trees and walk.unmatched:
        walk.missing(f"[{' '.join(walk.unmatched)}]")
    return selection


def normalized(source: str) -> str:
    """Return a source as a path relative to the context's root, which no `..` leaves; empty for the root."""
    return posixpath.normpath(f"/{source}").lstrip("/")


class _Walk:
    """What the sources of one instruction share."""

    def __init__(self, root: int, wanted: Wanted) -> None:
        self.root = root
        self.rules = wanted.rules
        self.excludes = IgnoreRules(wanted.excludes)
        self.wanted = wanted
        self.unmatched: list[str] = []  # patterns that nothing matches

    def source(self, source: str) -> Iterator[Tree]:
        """Yield what one source of the instruction stands for."""
        path = normalized(source)
        pivot = _pivot_depth(source) if self.wanted.parents else 0
        found = list(self._expand(path))
        if not found:
            self.unmatched.append(f'"/{path}"')
            return
        filtered = 0
        something = False
        for named in found:
            tree = self._one(named, pivot)
            if tree is None:
                filtered += 1
            else:
                something = True
                yield tree
        if not something:
            raise PodError(
                f'no items matching glob "{self._told(path)}" copied ({filtered} filtered out using '
                f"{self.wanted.ignored_by}): no such file or directory"
            )

    def _told(self, path: str) -> str:
        return f"{self.wanted.shown.rstrip('/')}/{path}"

    def missing(self, what: str, error: OSError | None = None) -> NoReturn:
        """Raise PodError for what is not there."""
        cause = (error.strerror or "").lower() if error is not None else "no such file or directory"
        raise PodError(f'checking on sources under "{self.wanted.shown}": copier: stat: {what}: {cause}') from error

    def _expand(self, path: str) -> Iterator[str]:
        """Yield the paths that a path with wildcards stands for, in order."""
        if not has_magic(path):
            yield path
            return
        done = [""]
        parts = path.split("/")
        for number, part in enumerate(parts, 1):
            if part == "**":
                deep = [one for above in done for one in self._all_below(above, files=number == len(parts))]
                done = list(dict.fromkeys(deep))
                continue
            if not has_magic(part):
                done = [f"{above}/{part}" if above else part for above in done]
                continue
            pattern = glob(part)
            below: list[str] = []
            for above in done:
                names = sorted(name for name in self._names(above) if pattern.fullmatch(name))
                below += [f"{above}/{name}" if above else name for name in names]
            done = below
        for one in done:
            if not one or resolution.is_there(self.root, one):
                yield one

    def _all_below(self, above: str, *, files: bool) -> list[str]:
        """Return a path and those of all directories below it, with `files` of all else, too; no link is followed."""
        try:
            pending = [(above, resolution.find(self.root, above).path)]
        except OSError:
            return []
        found = []
        while pending:
            path, real = pending.pop()
            try:
                descriptor = resolution.open_directory(self.root, real)
            except OSError:
                found += [path] if files else []
                continue
            found.append(path)
            try:
                names = sorted(os.listdir(descriptor), reverse=True)
            finally:
                os.close(descriptor)
            pending += [(posixpath.join(path, name), posixpath.join(real, name)) for name in names]
        return found

    def _names(self, path: str) -> list[str]:
        try:
            found = resolution.find(self.root, path)
            descriptor = resolution.open_directory(self.root, found.path)
        except OSError:
            return []
        try:
            return os.listdir(descriptor)
        finally:
            os.close(descriptor)

    def _one(self, named: str, pivot: int) -> Tree | None:
        """Return what one path gives; None if it is left out."""
        try:
            found = resolution.find(self.root, named)
        except OSError as error:
            self.missing(f'"/{named}"', error)
        if self.rules and self._is_left_out(named, found):
            return None
        kept = named.split("/")[pivot:] if self.wanted.parents and named else []
        if stat.S_ISDIR(found.status.st_mode):
            tree = Tree(found.path)
            tree.entries += self._below(found.path, "/".join(kept))
        else:
            name = posixpath.basename(named)
            if self.excludes.matches("/".join(kept) or name):
                return None
            above, _, last = found.path.rpartition("/")
            tree = Tree(above, name, [Entry(last, found.status)])
            kept = kept[:-1]
        self._keep(tree, named.split("/")[:pivot], kept)
        return tree

    def _keep(self, tree: Tree, dropped: list[str], kept: list[str]) -> None:
        """Note the directories that a tree's place in the destination has above it."""
        tree.under = "/".join(kept)
        for end in range(1, len(kept) + 1):
            above = resolution.find(self.root, "/".join(dropped + kept[:end]))
            tree.above.append(Entry("/".join(kept[:end]), above.status))

    def _is_left_out(self, named: str, found: resolution.Found) -> bool:
        """Tell whether a path, or where its links led, is left out with all that may be below it."""
        is_directory = stat.S_ISDIR(found.status.st_mode)
        return any(
            self.rules.matches(path) and not (is_directory and not self.rules.may_skip(path))
            for path in (named, found.path)
            if path
        )

    def _below(self, place: str, kept: str) -> list[Entry]:
        """Return what is in a directory, and in those below it; `kept` is what --exclude sees before their names."""
        found: list[Entry] = []
        pending = [("", _marks(self.rules, place), _marks(self.excludes, kept))]
        # Of directories that are left out themselves: they come after all if something below them is an exception.
        late: dict[str, Entry] = {}
        while pending:
            path, ignored, excluded = pending.pop()
            here: list[Entry] = []
            inner = []
            for entry in self._list(place, path):
                name = entry.path
                mode = entry.status.st_mode
                if stat.S_ISDIR(mode):
                    marks = self.rules.marks(_joined(place, name), ignored)
                    exclude = self.excludes.marks(_joined(kept, name), excluded)
                    if not self._is_skipped(_joined(place, name), marks, _joined(kept, name), exclude):
                        inner.append((name, marks, exclude))
                        if self.rules.ignores(marks) or self.excludes.ignores(exclude):
                            late[name] = entry
                            continue
                        here.append(entry)
                elif not (
                    (self.rules and self.rules.ignores_file(_joined(place, name), ignored))
                    or (self.excludes and self.excludes.ignores_file(_joined(kept, name), excluded))
                ):
                    here.append(entry)
            if here and late:
                found += _called_for(late, here[0].path)
            found += here
            pending += reversed(inner)
        return found

    def _is_skipped(self, path: str, ignored: int, kept: str, excluded: int) -> bool:
        return (self.rules.ignores(ignored) and self.rules.may_skip(path)) or (
            self.excludes.ignores(excluded) and self.excludes.may_skip(kept)
        )

    def _list(self, place: str, path: str) -> list[Entry]:
        """Return what a directory has, in the order of names; what cannot be copied is left out."""
        found = []
        prefix = f"{path}/" if path else ""
        try:
            descriptor = resolution.open_directory(self.root, _joined(place, path))
        except OSError as error:
            told = self._told(_joined(place, path))
            raise PodError(f'reading "{told}": {(error.strerror or "").lower()}') from error
        try:
            with os.scandir(descriptor) as listing:
                for one in listing:
                    try:
                        status = one.stat(follow_symlinks=False)
                        kind = status.st_mode & _KIND
                        link = os.readlink(one.name, dir_fd=descriptor) if kind == stat.S_IFLNK else ""
                    except FileNotFoundError:
                        continue  # it has just been removed, as programs do with files of theirs
                    if kind != stat.S_IFSOCK:
                        found.append(Entry(prefix + one.name, status, link))
        finally:
            os.close(descriptor)
        found.sort(key=_path)
        return found


def _path(entry: Entry) -> str:
    return entry.path


def _joined(above: str, name: str) -> str:
    return f"{above}/{name}" if above and name else above or name


def _marks(rules: IgnoreRules, path: str) -> int:
    """Return the marks of a directory, which those above it have part in."""
    marks = 0
    parts = path.split("/") if path else []
    for end in range(1, len(parts) + 1):
        marks = rules.marks("/".join(parts[:end]), marks)
    return marks


def _called_for(late: dict[str, Entry], path: str) -> Iterator[Entry]:
    """Yield the directories above a path that were left out so far, the outermost first."""
    parts = path.split("/")[:-1]
    for end in range(1, len(parts) + 1):
        entry = late.pop("/".join(parts[:end]), None)
        if entry is not None:
            yield entry


def _pivot_depth(source: str) -> int:
    """Return how many components of a source are before its `/./`, the part that --parents does not keep."""
    above, dot, _ = source.partition("/./")
    text = normalized(above) if dot else ""
    return len(text.split("/")) if text else 0
