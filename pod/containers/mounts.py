"""What --volume, --mount and --tmpfs ask for, as data.

Sources: podman-run(1), "Mounting"; mount(8) for options.
"""

from __future__ import annotations

import os

from pod.errors import PodError
from pod.names import check_name
from pod.values import parse_bool, parse_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PROPAGATION = ("shared", "slave", "private", "unbindable", "rshared", "rslave", "rprivate", "runbindable")
_FLAGS = ("ro", "rw", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "bind", "rbind", *_PROPAGATION)
# SELinux relabelling: accepted as podman accepts it where SELinux is not in use.
_LABELS = ("z", "Z")


class Mount:
    """One mount of a container: a host path, a named volume, or memory."""

    __slots__ = ("anonymous", "copy", "options", "source", "target", "type")

    def __init__(
        self,
        type: str,
        source: str,
        target: str,
        options: list[str],
        *,
        copy: bool = True,
        anonymous: bool = False,
    ) -> None:
        self.type = type  # bind, volume or tmpfs
        self.source = source  # a path for bind, a name for volume
        self.target = target
        self.options = options
        self.copy = copy  # a new volume gets what the image has at the target
        self.anonymous = anonymous

    def to_document(self) -> dict[str, Any]:
        """Return the mount as it is stored in a container's configuration."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Mount:
        """Return the mount that a container's configuration holds."""
        return cls(**document)


def parse_volume(text: str) -> Mount:
    """Parse --volume: "[SOURCE:]TARGET[:OPTIONS]"; a source with a slash or dot in front is a path."""
    parts = text.split(":")
    if len(parts) > 3 or not parts[-1]:
        raise PodError(
            f'invalid volume specification "{text}": must be [SOURCE-VOLUME|HOST-DIR:]CONTAINER-DIR[:OPTIONS]'
        )
    if len(parts) == 1:
        return Mount("volume", "", _target(parts[0]), [], anonymous=True)
    source, target = parts[0], _target(parts[1])
    if not source:
        raise PodError(f'invalid volume specification "{text}": the source is empty')
    options, copy = _options(parts[2].split(",") if len(parts) == 3 else [], text)
    if source[0] in "/.":
        return Mount("bind", os.path.abspath(source), target, _with_default(options, "rbind"))
    return Mount("volume", check_name(source), target, options, copy=copy)


def parse_tmpfs(text: str) -> Mount:
    """Parse --tmpfs: "TARGET[:OPTIONS]"; options go to tmpfs(5)."""
    target, _, options = text.partition(":")
    return Mount("tmpfs", "", _target(target), _tmpfs_options([item for item in options.split(",") if item]))


def parse_mount(text: str) -> Mount:
    """Parse --mount: "type=TYPE,source=…,target=…[,…]"."""
    settings: dict[str, str] = {}
    for item in text.split(","):
        name, equals, value = item.partition("=")
        settings[_MOUNT_ALIASES.get(name, name)] = value if equals else ""
    kind = settings.pop("type", "volume")
    if "target" not in settings:
        raise PodError(f'invalid mount "{text}": must set volume destination: target is missing')
    target = _target(settings.pop("target"))
    if kind == "bind":
        return _bind_mount(settings, target, text)
    if kind == "volume":
        return _volume_mount(settings, target, text)
    if kind == "tmpfs":
        return _tmpfs_mount(settings, target, text)
    raise PodError(f'invalid mount "{text}": type "{kind}" is none of bind, tmpfs, volume')


_MOUNT_ALIASES = {
    "src": "source",
    "dst": "target",
    "destination": "target",
    "readonly": "ro",
    "bind-propagation": "propagation",
}


def _bind_mount(settings: dict[str, str], target: str, text: str) -> Mount:
    source = settings.pop("source", "")
    if not source:
        raise PodError(f'invalid mount "{text}": source is missing')
    recursive = "bind" if parse_bool(settings.pop("bind-nonrecursive", "") or "false") else "rbind"
    options, _ = _options(_flags(settings), text)
    return Mount("bind", os.path.abspath(source), target, _with_default(options, recursive))


def _volume_mount(settings: dict[str, str], target: str, text: str) -> Mount:
    source = settings.pop("source", "")
    options, copy = _options(_flags(settings), text)
    if source:
        check_name(source)
    return Mount("volume", source, target, options, copy=copy, anonymous=not source)


def _tmpfs_mount(settings: dict[str, str], target: str, text: str) -> Mount:
    options = []
    for name, value in settings.items():
        if name in ("tmpfs-size", "size"):
            options.append(f"size={parse_size(value)}")
        elif name in ("tmpfs-mode", "mode"):
            options.append(f"mode={value}")
        elif name in ("notmpcopyup", "tmpcopyup", *_FLAGS):
            options += _flags({name: value})
        else:
            raise PodError(f'invalid mount "{text}": unknown option "{name}" for a tmpfs')
    return Mount("tmpfs", "", target, _tmpfs_options(options))


def _flags(settings: dict[str, str]) -> list[str]:
    flags = []
    for name, value in settings.items():
        if name == "propagation":
            flags.append(value)
        elif name in ("ro", "rw") and value:
            flags.append(name if parse_bool(value) else {"ro": "rw", "rw": "ro"}[name])
        elif value and name in _FLAGS:
            if parse_bool(value):
                flags.append(name)
        else:
            flags.append(f"{name}={value}" if value else name)
    return flags


def _options(options: list[str], text: str) -> tuple[list[str], bool]:
    kept, copy = [], True
    for option in options:
        if option in ("copy", "nocopy"):
            copy = option == "copy"
        elif option in _FLAGS:
            kept.append(option)
        elif option not in _LABELS and option:
            raise PodError(f'invalid mount option "{option}" in "{text}"', hint="known are " + ", ".join(_FLAGS))
    for first, second in (("ro", "rw"), ("suid", "nosuid"), ("dev", "nodev"), ("exec", "noexec")):
        if first in kept and second in kept:
            raise PodError(f'invalid mount options in "{text}": {first} and {second} exclude each other')
    return kept, copy


def _tmpfs_options(options: list[str]) -> list[str]:
    defaults = ["rprivate", "nosuid", "nodev", "tmpcopyup"]
    if "notmpcopyup" in options:
        options = [option for option in options if option != "notmpcopyup"]
        defaults.remove("tmpcopyup")
    opposite = {"suid": "nosuid", "dev": "nodev"}
    for option in options:
        if opposite.get(option) in defaults:
            defaults.remove(opposite[option])
    return defaults + [option for option in options if option not in defaults]


def _with_default(options: list[str], recursive: str) -> list[str]:
    if "bind" not in options and "rbind" not in options:
        options = [*options, recursive]
    if not any(option in _PROPAGATION for option in options):
        options = [*options, "rprivate"]
    return options


def _target(path: str) -> str:
    if not path.startswith("/"):
        raise PodError(f'invalid container path "{path}", must be an absolute path')
    return os.path.normpath(path)
