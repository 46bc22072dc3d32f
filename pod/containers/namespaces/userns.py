"""The user namespace of a container: what --userns, --uidmap and the like come to, as a map of IDs.

Settled when the container is created and stored with it. As root the IDs outside are the host's; for a user they are
those of the user's own namespace ("intermediate" IDs: 0 is the user, then the subordinate ranges in their order).
Sources: podman-run(1), --userns and --uidmap; user_namespaces(7); subuid(5).
"""

from __future__ import annotations

import os

from pod import rootless
from pod.containers.namespaces import choice as namespaces
from pod.containers.namespaces import id_maps, id_ranges
from pod.errors import PodError
from storage import rootfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from typing import Any

    from pod.containers.configuration import ContainerConfig, IdMaps
    from pod.containers.create import CreateOptions
    from pod.containers.namespaces.id_maps import IdMap
    from pod.engine import Engine

_ALL = 2**32 - 1
_MODES = ("host", "private", "auto", "keep-id", "nomap")
_EXCLUSIVE = "--userns and --uidmap/--gidmap/--subuidname/--subgidname are mutually exclusive"
# Of auto, in containers/storage: at least so many IDs, at most as many, and whose they are for root.
_SMALLEST, _LARGEST, _ROOT_USER = 1024, 65536, "containers"
NOBODY = 65534


class MapFlags:
    """What the flags beside --userns say."""

    __slots__ = ("gid", "subgid", "subuid", "uid")

    def __init__(self, uid: list[str], gid: list[str], subuid: str, subgid: str) -> None:
        self.uid = uid
        self.gid = gid
        self.subuid = subuid
        self.subgid = subgid

    def __bool__(self) -> bool:
        return bool(self.uid or self.gid or self.subuid or self.subgid)


class AutoRequest:
    """What --userns=auto asks for, until IDs are chosen in the transaction that inserts the container."""

    __slots__ = ("forced_gids", "forced_uids", "gids", "size", "uids", "whose")

    def __init__(self, size: int) -> None:
        self.size = size
        self.forced_uids: IdMap = []
        self.forced_gids: IdMap = []
        self.uids: list[tuple[int, int]] = []  # ranges to choose from
        self.gids: list[tuple[int, int]] = []
        self.whose = ""


def check(mode: str) -> str:
    """Return what --userns says. Raises PodError for what is no mode."""
    word, colon, value = mode.partition(":")
    if word in ("container", "ns"):
        if value:
            return mode
    elif mode == "" or (word in _MODES and (not colon or word in ("auto", "keep-id"))):
        if word == "auto":
            auto_options(value)
        elif word == "keep-id":
            keep_options(mode)
        return mode
    raise PodError(f"unrecognized namespace mode {mode} passed", hint=f"known are {', '.join(_MODES)}")


def settle(engine: Engine, options: CreateOptions, config: ContainerConfig) -> None:
    """Fill in the mode of the user namespace and its map, but for --userns=auto, whose map `allocate` chooses.

    Raises PodError for flags that contradict each other.
    """
    flags: MapFlags | None = options.id_map_flags
    mode = options.namespaces["user"]
    if not flags and not mode:
        mode = check(os.environ.get("PODMAN_USERNS") or str(engine.config.containers.get("userns") or ""))
    if flags and mode:
        raise PodError(_EXCLUSIVE)
    word = mode.partition(":")[0]
    found: tuple[IdMap, IdMap] | None = None
    if flags:
        mode, found = "private", _from_flags(engine, flags)
    elif word == "private":
        raise PodError("must provide at least one UID or GID mapping to configure a user namespace")
    elif word == "keep-id":
        found = keep_id_map(engine, mode)
    elif word == "nomap":
        found = _nomap(engine)
    elif word == "auto":
        options.auto_ids = _auto_request(engine, options, config, mode.partition(":")[2])
    elif word in ("container", "ns"):
        mode = namespaces.join(engine, options, "user", mode)
        found = _of_container(engine, mode[10:]) if word == "container" else of_namespace(mode[3:])
    config["namespaces"]["user"] = mode or "host"
    config["id_map"] = _document(*found) if found is not None else None


def _document(uids: IdMap, gids: IdMap) -> IdMaps:
    return {"uids": [list(entry) for entry in uids], "gids": [list(entry) for entry in gids]}


def choose(connection: sqlite3.Connection, request: AutoRequest, config: dict[str, Any]) -> None:
    """Choose the IDs of --userns=auto, in the transaction that inserts the container of this configuration.

    Raises PodError if there are not as many.
    """
    uids = id_maps.allocate(request.size, request.uids, id_ranges.used(connection, "u"), request.forced_uids)
    gids = id_maps.allocate(request.size, request.gids, id_ranges.used(connection, "g"), request.forced_gids)
    if uids is None or gids is None:
        raise PodError(
            "creating container storage: not enough unused IDs in user namespace",
            hint=f"{request.size} are needed: remove containers, give {request.whose} more in /etc/subuid and"
            " /etc/subgid, or ask for fewer with --userns=auto:size=N",
        )
    config["id_map"] = _document(uids, gids)


def as_ranges(maps: IdMaps) -> tuple[IdMap, IdMap]:
    """Return the maps of users and groups that a container's configuration holds."""
    return [(a, b, c) for a, b, c in maps["uids"]], [(a, b, c) for a, b, c in maps["gids"]]


def own_map(kind: str) -> IdMap:
    """Return the map of the namespace that this process is in, of users (`u`) or groups (`g`)."""
    with open(f"/proc/self/{kind}id_map", encoding="ascii") as file:
        return _parse_map(file.read())


def _parse_map(text: str) -> IdMap:
    entries: IdMap = []
    for line in text.splitlines():
        inside, outside, count = map(int, line.split())
        entries.append((inside, outside, count))
    return entries


# keep-id and nomap


def keep_options(mode: str) -> dict[str, int]:
    """Return the options of keep-id: uid, gid, size. Raises PodError for others."""
    options: dict[str, int] = {}
    for item in mode.partition(":")[2].split(","):
        name, _, value = item.partition("=")
        if not item:
            continue
        if name not in ("uid", "gid", "size"):
            raise PodError(f'unknown option specified: "{name}"', hint="write --userns keep-id:uid=1000,gid=1000")
        if not (value.isascii() and value.isdecimal()) or int(value) >= _ALL:
            raise PodError(f'invalid value "{value}" for keep-id option {name}: write a number')
        options[name] = int(value)
    return options


def keep_id_user(engine: Engine, mode: str) -> tuple[int, int]:
    """Return the IDs that the invoking user has inside the container."""
    options = keep_options(mode)
    own = engine.config.uid
    return options.get("uid", own), options.get("gid", _own_gid() if engine.config.rootless else 0)


def _own_gid() -> int:
    """Return the group of the invoking user, which is group 0 of the user's namespace."""
    return next((outside for inside, outside, _ in own_map("g") if inside == 0), 0)


def keep_id_map(engine: Engine, mode: str) -> tuple[IdMap, IdMap]:
    """Return the maps in which the invoking user keeps its IDs. Raises PodError for a size where nothing limits it."""
    size = keep_options(mode).get("size", 0)
    if not engine.config.rootless:
        if size:
            raise PodError("cannot set max size for user namespace when not running rootless")
        return [(0, 0, _ALL)], [(0, 0, _ALL)]
    uid, gid = keep_id_user(engine, mode)
    return _keep("u", uid, size), _keep("g", gid, size)


def _keep(kind: str, own: int, size: int) -> IdMap:
    others = sum(count for _, _, count in own_map(kind)) - 1
    if size:
        others = min(others, max(size - 1, 0))
    before = min(own, others)
    entries = [(0, 1, before), (own, 0, 1), (own + 1, before + 1, others - before)]
    return [entry for entry in entries if entry[2] > 0]


def _nomap(engine: Engine) -> tuple[IdMap, IdMap]:
    if not engine.config.rootless:
        raise PodError("nomap is only supported in rootless mode")
    found = []
    for kind in ("u", "g"):
        others = sum(count for _, _, count in own_map(kind)) - 1
        if others < 1:
            raise _too_few(engine, "nomap requires additional UIDs or GIDs defined in /etc/subuid and /etc/subgid")
        found.append([(0, 1, others)])
    return found[0], found[1]


def _too_few(engine: Engine, message: str) -> PodError:
    missing = rootless.missing_pieces(engine.config)
    return PodError(message, hint=missing[1] if missing else "")


# auto


def auto_options(text: str) -> tuple[int, list[str], list[str]]:
    """Return size (0 if it is not said), uidmapping and gidmapping of auto. Raises PodError for others."""
    size = 0
    uids: list[str] = []
    gids: list[str] = []
    for item in text.split(","):
        name, equals, value = item.partition("=")
        if not item:
            continue
        if not equals:
            raise PodError(f'invalid option specified: "{item}"', hint="write --userns auto:size=8192")
        if name == "size":
            if not (value.isascii() and value.isdecimal() and 0 < int(value) < _ALL):
                raise PodError(f'invalid size "{value}" for --userns=auto: strconv.ParseUint: invalid syntax')
            size = int(value)
        elif name in ("uidmapping", "gidmapping"):
            (uids if name == "uidmapping" else gids).append(value)
        else:
            raise PodError(f'unknown option specified: "{name}"', hint="known are size, uidmapping and gidmapping")
    return size, uids, gids


def _auto_request(engine: Engine, options: CreateOptions, config: ContainerConfig, text: str) -> AutoRequest:
    size, uids, gids = auto_options(text)
    parents = (own_map("u"), own_map("g")) if engine.config.rootless else (None, None)
    forced = [
        id_maps.combine(id_maps.read(texts, kind, parent), [])
        for texts, kind, parent in ((uids, "UID", parents[0]), (gids, "GID", parents[1]))
    ]
    if not size:
        image = options.image
        if image is not None:
            layers = rootfs.lowers(engine.store, image)
        else:  # that of a pod is yet to be made, and has no users
            layers = [] if config["pod"]["infra"] else [config["rootfs"]]
        size = estimated_size(layers, config["user"])
    request = AutoRequest(size)
    request.forced_uids, request.forced_gids = forced
    if engine.config.rootless:
        request.whose = "your user"
        request.uids, request.gids = _beyond_own(own_map("u")), _beyond_own(own_map("g"))
        if not request.uids or not request.gids:
            raise _too_few(engine, "creating container storage: could not find enough available IDs")
        return request
    request.whose = f'user "{_ROOT_USER}"'
    for path, found in (("/etc/subuid", request.uids), ("/etc/subgid", request.gids)):
        ranges = rootless.subordinate_ids(path, _ROOT_USER, -1)
        if not ranges:
            raise PodError(
                f'cannot find mappings for user "{_ROOT_USER}": no sub{path[-3:]} ranges found for user'
                f' "{_ROOT_USER}" in {path}',
                hint=f"as root: echo {_ROOT_USER}:2147483647:2147483648 | tee -a /etc/subuid /etc/subgid",
            )
        found += [(one.start, one.count) for one in ranges]
    return request


def _beyond_own(mapping: IdMap) -> list[tuple[int, int]]:
    return id_maps.subtract([(inside, count) for inside, _, count in mapping], [(0, 1)])


def estimated_size(layers: list[str], user: str) -> int:
    """Return how many IDs the users and groups of an image need, and the user that was asked for.

    `layers` has the topmost first. Raises PodError for too many.
    """
    from pod.containers.inside import users
    from storage.layers.erofs.mounting import Opened

    numbers = [int(part) for part in user.split(":") if part.isascii() and part.isdecimal()]
    with Opened(layers) as directories:
        for name in ("etc/passwd", "etc/group"):
            for directory in directories:
                root = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    content = users.read_file(root, name)
                finally:
                    os.close(root)
                if content:
                    numbers += users.ids_in(content)
                    break
    size = max([_SMALLEST, *(number + 1 for number in numbers if number != NOBODY)])
    if size > _LARGEST:
        raise PodError(
            f"the container needs a user namespace with size {size} that is bigger than the maximum value"
            f" allowed with userns=auto {_LARGEST}",
            hint="ask for it with --userns=auto:size=N",
        )
    return size


# explicit maps


def _from_flags(engine: Engine, flags: MapFlags) -> tuple[IdMap, IdMap]:
    for texts, kind in ((flags.uid, "UID"), (flags.gid, "GID")):
        id_maps.read(texts, kind, None)  # what is malformed is told of the flag that has it
    found = []
    for kind, own, other in (("UID", flags.uid, flags.gid), ("GID", flags.gid, flags.uid)):
        letter = kind[0].lower()
        parent = own_map(letter) if engine.config.rootless else None
        name = flags.subuid or flags.subgid if kind == "UID" else flags.subgid or flags.subuid
        entries = id_maps.read(own or other, kind, parent)
        mapping = id_maps.combine(entries, _of_name(name, kind, parent) if name else [])
        if parent is not None and not name and all(entry.extends for entry in entries):
            mapping = id_maps.fill(mapping, parent)
        if not mapping:
            # Entries of the other kind alone (u…, g…): root then has the host's IDs.
            mapping = [(0, 0, _ALL)]
        _check_available(mapping, kind, parent)
        found.append(mapping)
    return found[0], found[1]


def _check_available(mapping: IdMap, kind: str, parent: IdMap | None) -> None:
    if parent is None:
        return
    missing = id_maps.subtract([(host, n) for _, host, n in mapping], [(inside, n) for inside, _, n in parent])
    if missing:
        raise PodError(
            f"{kind} {missing[0][0]} of the mapping is not one of the user's own namespace",
            hint=f"pod unshare cat /proc/self/{kind.lower()}_map shows these in its first column",
        )


def _of_name(name: str, kind: str, parent: IdMap | None) -> IdMap:
    path = f"/etc/sub{kind.lower()}"
    ranges = rootless.subordinate_ids(path, name, int(name) if name.isascii() and name.isdecimal() else -1)
    if not ranges:
        raise PodError(f'no sub{kind.lower()} ranges found for user "{name}" in {path}')
    mapping: IdMap = []
    position = 0
    for one in ranges:
        pieces = [(0, one.start, one.count)]
        if parent is not None:
            pieces = id_maps.to_inner(one.start, one.count, parent, kind)
        mapping += [(position + at, outside, count) for at, outside, count in pieces]
        position += one.count
    return mapping


# the namespaces of others


def _of_container(engine: Engine, container_id: str) -> tuple[IdMap, IdMap] | None:
    from pod import state

    maps: IdMaps | None = state.find_container(engine.connection, container_id).config["id_map"]
    return as_ranges(maps) if maps is not None else None


def of_namespace(path: str) -> tuple[IdMap, IdMap] | None:
    """Return the maps of a namespace, as this process's own counts IDs; None for that one itself."""
    from runtime import kernel, syscalls

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise PodError(f"open the user namespace {path}: {(error.strerror or '').lower()}") from error
    try:
        if os.path.samestat(os.fstat(descriptor), os.stat("/proc/self/ns/user")):
            return None
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            # Held until the parent has read the maps, whose numbers are those of the reader's namespace.
            try:
                os.close(writer)
                syscalls.setns(descriptor, kernel.CLONE_NEWUSER)
                os.read(reader, 1)
            finally:
                os._exit(0)
        os.close(reader)
        return _maps_of_child(path, child, writer)
    finally:
        os.close(descriptor)


def _maps_of_child(path: str, child: int, writer: int) -> tuple[IdMap, IdMap]:
    own = os.stat("/proc/self/ns/user").st_ino
    try:
        while os.stat(f"/proc/{child}/ns/user").st_ino == own:
            if os.waitpid(child, os.WNOHANG)[0]:
                child = 0
                raise PodError(f"join the user namespace {path}: operation not permitted")
            os.sched_yield()
        found = []
        for name in ("uid_map", "gid_map"):
            with open(f"/proc/{child}/{name}", encoding="ascii") as file:
                found.append(_parse_map(file.read()))
        return found[0], found[1]
    finally:
        os.close(writer)
        if child:
            os.waitpid(child, 0)
