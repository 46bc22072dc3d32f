"""Which cgroup hierarchies are mounted, and where in them the calling process is: two files of /proc, parsed."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CONTROLLERS = frozenset(
    "blkio cpu cpuacct cpuset devices freezer hugetlb memory misc net_cls net_prio perf_event pids rdma".split()
)


class Hierarchy:
    """A mounted hierarchy."""

    __slots__ = ("controllers", "is_v2", "mountpoint", "own", "root")

    def __init__(self, mountpoint: str, root: str, controllers: tuple[str, ...], *, is_v2: bool) -> None:
        self.mountpoint = mountpoint
        self.root = root  # the cgroup that the mount shows at its mount point
        self.controllers = controllers  # of v1, with `name=…` for one that has only a name
        self.is_v2 = is_v2
        self.own = "/"  # the caller's cgroup, relative to the mount point

    def __repr__(self) -> str:
        return (
            f"Hierarchy({self.mountpoint!r}, {self.root!r}, {self.controllers!r}, is_v2={self.is_v2}, own={self.own!r})"
        )


def read(mountinfo: str, own_cgroups: str, below: str) -> list[Hierarchy]:
    """Return the hierarchies mounted at or below a directory, each once; the arguments are contents, not paths."""
    own = dict(_parse_own(own_cgroups))
    result: dict[tuple[str, ...], Hierarchy] = {}
    for hierarchy in _parse_mountinfo(mountinfo):
        if hierarchy.mountpoint == below or hierarchy.mountpoint.startswith(below + "/"):
            result.setdefault(hierarchy.controllers, hierarchy)
    for controllers, hierarchy in result.items():
        path = own.get(controllers[0] if controllers else "", "/")
        if hierarchy.root != "/" and (path + "/").startswith(hierarchy.root + "/"):
            path = path[len(hierarchy.root) :] or "/"
        hierarchy.own = path
    return list(result.values())


def place(hierarchy: Hierarchy, path: str, made: Sequence[str]) -> None:
    """Note as the caller's own the cgroup below which `path` was made, as the list of directories `made` shows."""
    ending = "/" + "/".join(name for name in path.split("/") if name not in ("", "."))
    for directory in made:
        if directory.startswith(f"{hierarchy.mountpoint}/") and directory.endswith(ending):
            hierarchy.own = directory[len(hierarchy.mountpoint) : -len(ending)] or "/"


def _parse_mountinfo(text: str) -> Iterator[Hierarchy]:
    tree = _MountTree(text)
    for line in tree.lines:
        if " - cgroup" not in line or tree.is_hidden(line):
            continue
        mount, _, filesystem = line.partition(" - ")
        kind, _, options = filesystem.split(" ", 2)
        root, mountpoint = mount.split(" ", 5)[3:5]
        if kind == "cgroup2":
            yield Hierarchy(_unescape(mountpoint), _unescape(root), (), is_v2=True)
        elif kind == "cgroup":
            names = options.split(",")
            controllers = tuple(sorted(name for name in names if name in CONTROLLERS or name.startswith("name=")))
            if controllers:
                yield Hierarchy(_unescape(mountpoint), _unescape(root), controllers, is_v2=False)


class _MountTree:
    """Which mounts of a mountinfo (proc(5)) lie under others, so that no path leads to them."""

    def __init__(self, text: str) -> None:
        self.lines = text.splitlines()
        self._places: dict[str, tuple[str, str]] = {}  # ID: (ID of the mount it lies on, mount point)
        self._above: dict[str, list[str]] = {}  # ID: the mount points of what lies on it
        for line in self.lines:
            identity, parent, _device, _root, mountpoint = line.split(" ", 5)[:5]
            self._places[identity] = parent, mountpoint
            self._above.setdefault(parent, []).append(mountpoint)

    def is_hidden(self, line: str) -> bool:
        """Tell whether a later mount covers this one, at its own mount point or somewhere above it."""
        identity = line.partition(" ")[0]
        if self._places[identity][1] in self._above.get(identity, ()):
            return True
        while identity in self._places:
            parent, mountpoint = self._places[identity]
            if any(mountpoint.startswith(other + "/") for other in self._above[parent]):
                return True
            identity = parent if parent != identity else ""
        return False


def _unescape(path: str) -> str:
    if "\\" not in path:
        return path
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(code, character)
    return path


def _parse_own(text: str) -> Iterator[tuple[str, str]]:
    """Yield (controller, path) of /proc/self/cgroup; the controller of v2 is the empty string."""
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            yield controller, path
