"""The options of a mount, sorted: the kernel's attributes, propagation, what is for the file system itself.

The names are those of mount(8) and of the runtime specification, config.md "Linux mount options".
"""

from __future__ import annotations

from runtime import syscalls
from runtime.kernel import (
    AT_EMPTY_PATH,
    AT_RECURSIVE,
    MOUNT_ATTR__ATIME,
    MOUNT_ATTR_NOATIME,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NODIRATIME,
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_NOSYMFOLLOW,
    MOUNT_ATTR_RDONLY,
    MOUNT_ATTR_RELATIME,
    MOUNT_ATTR_STRICTATIME,
    MS_PRIVATE,
    MS_SHARED,
    MS_SLAVE,
    MS_UNBINDABLE,
)

# option: (attributes to set, attributes to clear); with an "r" before it, it holds for the whole tree.
_ATTRIBUTES = {
    "ro": (MOUNT_ATTR_RDONLY, 0),
    "rw": (0, MOUNT_ATTR_RDONLY),
    "nosuid": (MOUNT_ATTR_NOSUID, 0),
    "suid": (0, MOUNT_ATTR_NOSUID),
    "nodev": (MOUNT_ATTR_NODEV, 0),
    "dev": (0, MOUNT_ATTR_NODEV),
    "noexec": (MOUNT_ATTR_NOEXEC, 0),
    "exec": (0, MOUNT_ATTR_NOEXEC),
    "noatime": (MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME),
    "atime": (MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME),
    "relatime": (MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME),
    "norelatime": (MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME),
    "strictatime": (MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME),
    "nostrictatime": (MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME),
    "nodiratime": (MOUNT_ATTR_NODIRATIME, 0),
    "diratime": (0, MOUNT_ATTR_NODIRATIME),
    "nosymfollow": (MOUNT_ATTR_NOSYMFOLLOW, 0),
    "symfollow": (0, MOUNT_ATTR_NOSYMFOLLOW),
}
PROPAGATION = {"shared": MS_SHARED, "slave": MS_SLAVE, "private": MS_PRIVATE, "unbindable": MS_UNBINDABLE}
# Without an effect: what is so anyhow, and what only old kernels had (iversion is each file system's own affair).
_DEFAULTS = frozenset(("defaults", "async", "nomand", "iversion", "noiversion", "silent", "loud", "nolazytime"))
# The runtime's own: which fields they set.
_SWITCHES = {
    # As with runc and crun it does not take back an rbind.
    "bind": {"bind": True},
    "rbind": {"bind": True, "recursive": True},
    "remount": {"remount": True},
    "tmpcopyup": {"copy_up": True},
    "idmap": {"idmap": True, "recursive_idmap": False},
    "ridmap": {"idmap": True, "recursive_idmap": True},
    "copy-symlink": {"copy_symlink": True},
    "src-nofollow": {"nofollow_source": True},
    "dest-nofollow": {"nofollow_target": True},
}
_TREE = AT_EMPTY_PATH | AT_RECURSIVE
# What a mount without `options` gets where every container has it.
USUAL = {
    ("/proc", "proc"): ["nosuid", "noexec", "nodev"],
    ("/dev", "tmpfs"): ["nosuid", "noexec", "strictatime", "mode=755", "size=65536k"],
    ("/dev/shm", "tmpfs"): ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
    ("/dev/mqueue", "mqueue"): ["nosuid", "noexec", "nodev"],
    ("/dev/pts", "devpts"): ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    ("/sys", "sysfs"): ["nosuid", "noexec", "nodev", "ro"],
    ("/sys/fs/cgroup", "cgroup"): ["nosuid", "noexec", "nodev", "relatime", "ro"],
    ("/sys/fs/cgroup", "cgroup2"): ["nosuid", "noexec", "nodev", "relatime", "ro"],
}


def known() -> list[str]:
    """Return all options that mean something here, and not to a file system alone."""
    for_trees = (f"r{option}" for option in (*_ATTRIBUTES, *PROPAGATION))
    return sorted({*_ATTRIBUTES, *PROPAGATION, *for_trees, *_DEFAULTS, *_SWITCHES})


class Attributes:
    """Attributes to set and to clear on a mount; of two that contradict each other the last one counts."""

    __slots__ = ("clear", "set")

    def __init__(self) -> None:
        self.set = 0
        self.clear = 0

    def add(self, to_set: int, to_clear: int) -> None:
        """Take one more option."""
        self.set = self.set & ~to_clear | to_set
        self.clear = self.clear & ~(to_set & ~MOUNT_ATTR__ATIME) | to_clear

    def set_unlocked(self, tree: int, flags: int) -> None:
        """Set, one by one, what the kernel lets a user namespace change (mount_namespaces(7), "Restrictions")."""
        set_more = self.set & ~MOUNT_ATTR__ATIME
        if set_more:
            syscalls.mount_setattr(tree, flags=flags, attr_set=set_more)
        changes = [(0, 1 << bit) for bit in range(22) if self.clear & ~MOUNT_ATTR__ATIME & 1 << bit]
        if self.clear & MOUNT_ATTR__ATIME:
            changes.append((self.set & MOUNT_ATTR__ATIME, MOUNT_ATTR__ATIME))
        for to_set, to_clear in changes:
            try:
                syscalls.mount_setattr(tree, flags=flags, attr_set=to_set, attr_clr=to_clear)
            except PermissionError:
                continue


class MountOptions:
    """What a list of options means."""

    __slots__ = (
        "attributes",
        "bind",
        "copy_symlink",
        "copy_up",
        "data",
        "idmap",
        "nofollow_source",
        "nofollow_target",
        "propagation",
        "recursive",
        "recursive_attributes",
        "recursive_idmap",
        "remount",
    )

    def __init__(self, options: list[str]) -> None:
        self.attributes = Attributes()
        self.recursive_attributes = Attributes()
        self.propagation: list[tuple[int, bool]] = []
        self.data: list[str] = []
        self.bind = self.recursive = self.remount = self.copy_up = self.copy_symlink = False
        self.idmap = self.recursive_idmap = False
        self.nofollow_source = self.nofollow_target = False
        for option in options:
            self._add(option)

    def _add(self, option: str) -> None:
        if option in _ATTRIBUTES:
            self.attributes.add(*_ATTRIBUTES[option])
        elif option in PROPAGATION:
            self.propagation.append((PROPAGATION[option], False))
        elif option[:1] == "r" and option[1:] in _ATTRIBUTES:
            self.recursive_attributes.add(*_ATTRIBUTES[option[1:]])
        elif option[:1] == "r" and option[1:] in PROPAGATION:
            self.propagation.append((PROPAGATION[option[1:]], True))
        elif option in _SWITCHES:
            for name, value in _SWITCHES[option].items():
                setattr(self, name, value)
        elif option not in _DEFAULTS:
            self.data.append(option)

    def parameters(self) -> list[tuple[str, str | None]]:
        """Return what is for fsconfig: (key, value), or (flag, None)."""
        pairs: list[tuple[str, str | None]] = []
        for entry in self.data:
            for option in _split(entry):
                key, equals, value = option.partition("=")
                if key:
                    pairs.append((key, value.strip('"') if equals else None))
        return pairs

    def set_attributes(self, tree: int) -> None:
        """Set the attributes of a copied tree; those that a user namespace has locked stay as they are."""
        for attributes, flags in ((self.attributes, AT_EMPTY_PATH), (self.recursive_attributes, _TREE)):
            if not attributes.set and not attributes.clear:
                continue
            try:
                syscalls.mount_setattr(tree, flags=flags, attr_set=attributes.set, attr_clr=attributes.clear)
            except PermissionError:
                attributes.set_unlocked(tree, flags)

    def set_propagation(self, tree: int) -> None:
        """Set the propagation of an attached mount: one call each, as the kernel takes only one at a time."""
        for propagation, recursive in self.propagation:
            if propagation == MS_PRIVATE and not self.bind and not self.remount:
                # A new file system is private from the beginning.
                continue
            syscalls.mount_setattr(tree, flags=_TREE if recursive else AT_EMPTY_PATH, propagation=propagation)


def _split(entry: str) -> list[str]:
    """Split parameters at their commas, except at those of a label in quotes."""
    parts = entry.split('"')
    if len(parts) == 1:
        return entry.split(",")
    quoted = "".join(part.replace(",", "\0") if index % 2 else part for index, part in enumerate(parts))
    return [option.replace("\0", ",") for option in quoted.split(",")]
