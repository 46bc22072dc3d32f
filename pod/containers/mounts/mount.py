"""A mount of a container as data, and what --volume and --tmpfs ask for (--mount: see flag.py).

Sources: podman-run(1), "Mounting"; mount(8) for options.
"""

from __future__ import annotations

from pod.errors import PodError
from pod.names import check_name
from runtime import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PROPAGATION = ("shared", "slave", "private", "unbindable", "rshared", "rslave", "rprivate", "runbindable")
# Words of which a mount may have one each, and how podman names them in its complaint.
EXCLUSIVE = (
    (("exec", "noexec"), "'noexec' or 'exec'"),
    (("dev", "nodev"), "'nodev' or 'dev'"),
    (("suid", "nosuid"), "'nosuid' or 'suid'"),
    (("rw", "ro"), "'rw' or 'ro'"),
    (("z", "Z", "O"), "'z', 'Z', or 'O'"),
    (("U",), "'U'"),
    (PROPAGATION, "'[r]shared', '[r]private', '[r]slave' or '[r]unbindable'"),
    (("bind", "rbind"), "'[r]bind'"),
    (("copy", "nocopy"), "'copy' or 'nocopy'"),
)
FLAGS = ("ro", "rw", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "bind", "rbind", *PROPAGATION)
# SELinux relabelling, where SELinux is not in use, and words that only machines of macOS know: accepted, no effect.
_IDLE = ("z", "Z", "cached", "delegated", "consistent")
_TMPFS_FLAGS = (
    *(
        "rw ro exec noexec dev nodev suid nosuid sync async dirsync bind rbind noatime atime nodiratime diratime"
    ).split(),
    *("relatime norelatime strictatime nostrictatime iversion noiversion noswap notmpcopyup tmpcopyup").split(),
)
_TMPFS_SETTINGS = ("size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "huge", "mpol")


class Mount:
    """One mount of a container: a host path, a named volume, an image, memory, or pseudo-terminals.

    `more` holds what few mounts have: `chown` (U), `idmap` (a mapping, or empty for the container's own), `subpath`,
    `overlay` (O: empty, or `upper` and `work`), `nocreate`, `image` (the ID), `writable` (of an image).
    """

    __slots__ = ("anonymous", "copy", "more", "options", "source", "target", "type")

    def __init__(
        self,
        type: str,
        source: str,
        target: str,
        options: list[str],
        *,
        copy: bool = True,
        anonymous: bool = False,
        more: dict[str, Any] | None = None,
    ) -> None:
        self.type = type  # bind, volume, tmpfs, ramfs, devpts or image
        self.source = source  # a path for bind, a name for volume and image
        self.target = target
        self.options = options
        self.copy = copy  # a new volume gets what the image has at the target
        self.anonymous = anonymous
        self.more = more or {}

    def to_document(self) -> dict[str, Any]:
        """Return the mount as it is stored in a container's configuration."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Mount:
        """Return the mount that a container's configuration holds."""
        return cls(**document)


def parse_volume(text: str) -> Mount:
    """Parse --volume: "[SOURCE:]TARGET[:OPTIONS]"; a source with a slash or dot in front is a path.

    Raises PodError for what is none.
    """
    parts = text.split(":")
    if len(parts) > 3 or not parts[-1]:
        raise PodError(
            f'invalid volume specification "{text}": must be [SOURCE-VOLUME|HOST-DIR:]CONTAINER-DIR[:OPTIONS]'
        )
    if len(parts) == 1:
        return Mount("volume", "", absolute(parts[0]), [], anonymous=True)
    source, target = parts[0], absolute(parts[1])
    if not source:
        raise PodError("host directory cannot be empty")
    options, copy, more = _sorted(parts[2].split(",") if len(parts) == 3 else [])
    if source[0] in "/.":
        return Mount("bind", paths.absolute(source), target, with_default(options, "rbind"), more=more)
    return Mount("volume", check_name(source), target, options, copy=copy, more=more)


def parse_tmpfs(text: str) -> Mount:
    """Parse --tmpfs: "TARGET[:OPTIONS]"; options go to tmpfs(5). Raises PodError for an option that there is not."""
    target, _, said = text.partition(":")
    options = [item for item in said.split(",") if item and item != "U"]
    for option in options:
        name, equals, value = option.partition("=")
        if (not equals and name in (*_TMPFS_FLAGS, *PROPAGATION)) or (equals and name in _TMPFS_SETTINGS):
            check_tmpfs_setting(name, value)
        else:
            raise PodError(f'unknown mount option "{option}": invalid mount option')
    more = {"chown": True} if "U" in said.split(",") else None
    return Mount("tmpfs", "", absolute(target), tmpfs_options(options), more=more)


def check_tmpfs_setting(name: str, value: str) -> None:
    """Refuse now what the kernel would refuse when the container starts. Raises PodError."""
    good = True
    if name == "size":
        number = value.rstrip("%kKmMgG")
        good = number.isdigit() and len(value) - len(number) < 2
    elif name == "mode":
        good = bool(value) and all(letter in "01234567" for letter in value) and int(value, 8) <= 0o7777
    elif name in ("uid", "gid"):
        good = value.isdigit()
    if not good:
        raise PodError(
            f'invalid tmpfs option "{name}={value}": invalid argument', hint="see tmpfs(5): size=64m,mode=1777"
        )


def _sorted(options: list[str]) -> tuple[list[str], bool, dict[str, Any]]:
    """Return the options for the mount itself, whether to copy up, and what is for `more`."""
    for words, names in EXCLUSIVE:
        if len([option for option in options if option in words]) > 1:
            raise PodError(f'invalid options "{", ".join(options)}", can only specify 1 {names} option')
    kept: list[str] = []
    more: dict[str, Any] = {}
    for option in options:
        name, _equals, value = option.partition("=")
        if option in FLAGS:
            kept.append(option)
        elif option == "U":
            more["chown"] = True
        elif option == "O":
            more.setdefault("overlay", {})
        elif option == "nocreate":
            more["nocreate"] = True
        elif name in ("upperdir", "workdir") and value:
            more.setdefault("overlay", {})[name] = paths.absolute(value)
        elif name == "idmap":
            more["idmap"] = checked_idmap(value)
        elif option not in (*_IDLE, "copy", "nocopy", ""):
            raise PodError(f'invalid option type "{option}"', hint="known are " + ", ".join(FLAGS))
    _check_overlay(options, more)
    return kept, "nocopy" not in options, more


def _check_overlay(options: list[str], more: dict[str, Any]) -> None:
    overlay = more.get("overlay")
    if overlay is None:
        return
    if "O" not in options:
        option = next(option for option in options if option.startswith(("upperdir", "workdir")))
        raise PodError(f'unknown mount option "{option}": invalid mount option', hint="it belongs to the option O")
    if len(overlay) == 1:
        raise PodError("invalid overlay volume: upperdir and workdir must be given together: invalid mount option")


def checked_idmap(text: str) -> str:
    """Return a mapping "uids=0-1-10#10-11-10;gids=…" if it is one; empty is the container's own."""
    if text:
        parse_idmap(text)
    return text


def parse_idmap(text: str) -> dict[str, list[tuple[int, int, int, bool]]]:
    """Return (of the file system, mounted, count, whether relative to the container's namespace) for uids and gids.

    Raises PodError for what is none.
    """
    found: dict[str, list[tuple[int, int, int, bool]]] = {}
    for part in text.split(";"):
        kind, _equals, entries = part.partition("=")
        for entry in entries.split("#"):
            numbers = entry.removeprefix("@").split("-")
            if kind not in ("uids", "gids") or len(numbers) != 3 or not all(number.isdigit() for number in numbers):
                raise PodError(f'invalid idmap option "{text}"', hint="write idmap=uids=0-1000-1;gids=0-1000-1")
            first, second, count = (int(number) for number in numbers)
            found.setdefault(kind, []).append((first, second, count, entry.startswith("@")))
    if len(found) != 2:
        raise PodError(f'invalid idmap option "{text}": needs both uids and gids')
    return found


def tmpfs_options(options: list[str]) -> list[str]:
    """Return the options of a tmpfs with those that it has unless they are contradicted."""
    defaults = ["rprivate", "nosuid", "nodev", "tmpcopyup"]
    if any(option in PROPAGATION for option in options):
        defaults.remove("rprivate")
    opposite = {"suid": "nosuid", "dev": "nodev", "notmpcopyup": "tmpcopyup"}
    for option in options:
        if opposite.get(option) in defaults:
            defaults.remove(opposite[option])
    return defaults + [option for option in options if option not in (*defaults, "notmpcopyup")]


def with_default(options: list[str], recursive: str) -> list[str]:
    """Return the options of a bind mount, with recursion and propagation if they are not said."""
    if "bind" not in options and "rbind" not in options:
        options = [*options, recursive]
    if not any(option in PROPAGATION for option in options):
        options = [*options, "rprivate"]
    return options


def absolute(path: str) -> str:
    """Return a container's path in its plain form. Raises PodError if it is relative."""
    if not path.startswith("/"):
        raise PodError(f'invalid container path "{path}", must be an absolute path')
    return paths.absolute(path)
