"""The options of a mount, sorted (pure): the kernel's attributes, propagation, what is for the file system itself.

The names are those of mount(8) and of the runtime specification, config.md "Linux mount options".
"""

from __future__ import annotations

from runtime.kernel import (
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
# Flags of the super block: fsconfig takes them by name.
_SUPERBLOCK = frozenset(("sync", "dirsync", "lazytime", "mand", "iversion"))
_DEFAULTS = frozenset(("defaults", "async", "nomand", "noiversion", "silent", "loud"))


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


class MountOptions:
    """What a list of options means."""

    __slots__ = (
        "attributes",
        "bind",
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
        self.bind = self.recursive = self.remount = self.copy_up = False
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
        elif option not in _DEFAULTS and not self._add_switch(option):
            self.data.append(option)

    def _add_switch(self, option: str) -> bool:
        if option in ("bind", "rbind"):
            self.bind = True
            self.recursive = option == "rbind"
        elif option == "remount":
            self.remount = True
        elif option == "tmpcopyup":
            self.copy_up = True
        elif option in ("idmap", "ridmap"):
            self.idmap, self.recursive_idmap = True, option == "ridmap"
        elif option in ("src-nofollow", "copy-symlink"):
            self.nofollow_source = True
        elif option == "dest-nofollow":
            self.nofollow_target = True
        else:
            return False
        return True

    def parameters(self) -> list[tuple[str, str | None]]:
        """Return what is for fsconfig: (key, value), or (flag, None)."""
        pairs: list[tuple[str, str | None]] = []
        for entry in self.data:
            for option in entry.split(","):
                key, equals, value = option.partition("=")
                if key:
                    pairs.append((key, value if equals else None))
        return pairs


def is_superblock_flag(option: str) -> bool:
    """Tell whether an option is one that every file system has."""
    return option in _SUPERBLOCK
