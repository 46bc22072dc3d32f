"""A user namespace of RUN's own (--userns): its map, and the owners of what a step sees and leaves.

The layers of an image, and what a step makes one of, have the owners that a container's processes see. So the step is
shown its layers with owners mapped, as any container (pod.containers.rootfs.shifted), and what it has written gets the
owners within the map when it has ended. Sources: buildah-build(1), --userns; user_namespaces(7).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from pod import rootless
from pod.containers.namespaces import userns
from pod.containers.rootfs import shifted
from pod.containers.spec.document import outside
from pod.errors import PodError
from runtime import idmap, kernel, syscalls
from storage import owners, worker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from pod.containers.configuration import IdMaps
    from pod.containers.create import CreateOptions
    from pod.engine import Engine

_NEW = ("", "container", "private")
_HIGHEST = 2**32 - 1


@dataclass(frozen=True)
class Wanted:
    """What is asked for: `mode` as `run --userns` has it, entries C:H:N of both maps, whose subordinate IDs."""

    mode: str = "host"
    uids: tuple[str, ...] = ()
    gids: tuple[str, ...] = ()
    user: str = ""
    group: str = ""

    @property
    def _has_map(self) -> bool:
        return bool(self.uids or self.gids or self.user or self.group)

    def apply(self, options: CreateOptions) -> None:
        """Let the container of a RUN be in it."""
        options.namespaces["user"] = self.mode
        if self.mode != "private":
            return
        uids, gids = list(self.uids), list(self.gids)
        if self.user or self.group:  # whose IDs are the map of that kind of which no entry is given
            uids, gids = [f"u{text}" for text in uids], [f"g{text}" for text in gids]
        if not self._has_map:
            uids, gids = ([f"{first}:{first}:{count}" for first, _, count in userns.own_map(kind)] for kind in "ug")
        options.namespaces["user"] = ""
        options.id_map_flags = userns.MapFlags(uids, gids, self.user, self.group)

    def seen(self) -> dict[str, Any]:
        """Return what a step can see of it, for its key; nothing of the build's own namespace."""
        if self.mode == "host":
            return {}
        ranges = [
            [(one.start, one.count) for one in rootless.subordinate_ids(f"/etc/{name}", whose, -1)]
            for name, whose in _subordinates(self.user, self.group)
        ]
        joined = userns.of_namespace(self.mode[3:]) if self.mode.startswith("ns:") else None
        own = [userns.own_map(kind) for kind in "ug"]
        return {"userns": [self.mode, self.uids, self.gids, ranges, joined, own]}


def _subordinates(user: str, group: str) -> tuple[tuple[str, str], ...]:
    """Return the files of subordinate IDs, and whose are wanted of each: of one that is not said, the other's."""
    return ("subuid", user or group), ("subgid", group or user)


def parse(how: str | None, uids: Sequence[str], gids: Sequence[str], user: str, group: str) -> Wanted:
    """Return what --userns (None if it was not said) and the flags --userns-* ask for.

    Raises PodError for what makes no sense.
    """
    maps = Wanted("private", _entries(uids), _entries(gids), user, group)
    for name, whose in _subordinates(user, group):
        if whose and not rootless.subordinate_ids(f"/etc/{name}", whose, -1):
            raise PodError(f'no {name} ranges found for user "{whose}" in /etc/{name}')
    mode = _mode(how) if how is not None else "private" if maps != Wanted("private") else "host"
    if mode == "private" or maps == Wanted("private"):
        return Wanted(mode, maps.uids, maps.gids, user, group)
    if mode == "host":
        raise PodError("can not specify ID mappings while using host's user namespace", hint="leave out one of both")
    raise PodError(f"--userns {how} and --userns-* are mutually exclusive", hint="leave out one of both")


def _mode(how: str) -> str:
    if how in _NEW:
        return "private"
    if how == "host" or how.partition(":")[0] == "auto":
        return userns.check(how)
    path = os.path.abspath(how.removeprefix("ns:"))
    try:
        os.stat(path)
    except OSError as error:
        raise PodError(
            f"checking user namespace: stat {how.removeprefix('ns:')}: {(error.strerror or '').lower()}",
            hint="known are host, private, auto, and the path of a namespace",
        ) from error
    return f"ns:{path}"


def _entries(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the entries of a map: numbers by threes, whatever stands between them."""
    found = []
    for text in texts:
        numbers = re.findall("[0-9]+", text)
        if not numbers or len(numbers) % 3 or not all(map(_is_id, numbers)) or "0" in numbers[2::3]:
            raise PodError(f'mapping "{text}" is not in the form containerid:hostid:size[,...]')
        found += [":".join(numbers[at : at + 3]) for at in range(0, len(numbers), 3)]
    return tuple(found)


def _is_id(text: str) -> bool:
    return len(text) <= len(str(_HIGHEST)) and int(text) <= _HIGHEST


def sized(options: CreateOptions, layers: Sequence[str]) -> None:
    """Let --userns=auto say how many IDs the files of layers, the topmost first, and USER need."""
    mode, colon, said = options.namespaces["user"].partition(":")
    if mode == "auto" and not userns.auto_options(said)[0]:
        size = userns.estimated_size(list(layers), options.user or "")
        options.namespaces["user"] = f"auto:{said}{',' if colon else ''}size={size}"


@dataclass(frozen=True)
class Ids:
    """The users of a step, as the build counts them: the map's lines are (inside, outside, count), none for the same.

    `can_map` tells that the kernel maps owners for mounts, which it does for root.
    """

    uids: tuple[tuple[int, int, int], ...] = ()
    gids: tuple[tuple[int, int, int], ...] = ()
    can_map: bool = False

    def __bool__(self) -> bool:
        return bool(self.uids or self.gids)

    def of(self, uid: int, gid: int) -> tuple[int, int]:
        """Return what a user and a group of the container are outside."""
        return outside(uid, list(self.uids)), outside(gid, list(self.gids))

    @property
    def mappings(self) -> shifted.Mappings:
        """The map, as containers have it."""
        return list(self.uids), list(self.gids)

    @property
    def name(self) -> str:
        """A short name of the map."""
        return sha256(repr((self.uids, self.gids)).encode()).hexdigest()[:16]

    def move_in(self, path: str) -> None:
        """Give the files of a tree the owners outside."""
        owners.move(path, self.uids, self.gids)

    def move_out(self, path: str) -> None:
        """Give the files of a tree the owners that the container sees."""
        uids, gids = ([(there, here, count) for here, there, count in ranges] for ranges in self.mappings)
        owners.move(path, uids, gids)


HOST = Ids()  # of a step that has no user namespace of its own, or one in which all are who they are outside


def settled(engine: Engine, maps: IdMaps | None) -> Ids:
    """Return the users of a container by the map of its configuration."""
    if maps is None:
        return HOST
    mappings = userns.as_ranges(maps)
    if not shifted.shifts(mappings):
        return HOST
    return Ids(tuple(mappings[0]), tuple(mappings[1]), can_map=not engine.config.rootless)


def fork(move: Callable[[str], None], path: str) -> worker.Worker:
    """Start the process that moves the owners of a tree."""

    def run(_report: Callable[[int], None]) -> dict[str, Any]:
        move(path)
        return {}

    return worker.fork(worker.Worker, run, "map owners")


def clone(found: int, ids: Ids) -> int:
    """Return a detached mount of an open file with its owners mapped. Raises OSError where that is not possible."""
    flags = kernel.OPEN_TREE_CLONE | kernel.OPEN_TREE_CLOEXEC | kernel.AT_EMPTY_PATH
    tree = syscalls.open_tree(found, b"", flags)
    namespace = -1
    try:
        namespace = idmap.open_namespace(*ids.mappings)
        syscalls.mount_setattr(tree, attr_set=kernel.MOUNT_ATTR_IDMAP, userns_fd=namespace)
    except BaseException:
        os.close(tree)
        raise
    finally:
        if namespace >= 0:
            os.close(namespace)
    return tree
