"""What --mount asks for: "type=TYPE,KEY=VALUE,…", and the same in containers.conf.

Source: podman-run(1), "--mount"; the complaints are podman's (pkg/specgenutil/volumes.go).
"""

from __future__ import annotations

import os

from pod.containers.mounts.mount import (
    FLAGS,
    PROPAGATION,
    Mount,
    absolute,
    check_tmpfs_setting,
    checked_idmap,
    tmpfs_options,
    with_default,
)
from pod.errors import PodError
from pod.names import check_name
from pod.values import parse_bool, parse_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ALIASES = {
    "src": "source",
    "dst": "target",
    "destination": "target",
    "readonly": "ro",
    "readwrite": "rw",
    "propagation": "bind-propagation",
    "U": "chown",
    "volume-subpath": "subpath",
    "image-subpath": "subpath",
    "tmpfs-size": "size",
    "tmpfs-mode": "mode",
}
_COMMON = ("target", "ro", "rw", "consistency")
_ATTRIBUTES = ("suid", "nosuid", "dev", "nodev", "exec", "noexec")
_BIND = ("source", "bind-nonrecursive", "bind-propagation", "relabel", "chown", "idmap", "no-dereference", "z", "Z")
# By the type of mount: the keys that it knows.
_KEYS = {
    "bind": (*_COMMON, *_ATTRIBUTES, *PROPAGATION, *_BIND, "bind", "rbind"),
    "glob": (*_COMMON, *_ATTRIBUTES, *PROPAGATION, *_BIND, "bind", "rbind"),
    "volume": (*_COMMON, *_ATTRIBUTES, *PROPAGATION, *_BIND, *("volume-opt subpath copy nocopy nocreate".split())),
    "tmpfs": (*_COMMON, *_ATTRIBUTES, *("size mode uid gid tmpcopyup notmpcopyup chown".split())),
    "ramfs": (*_COMMON, *_ATTRIBUTES, *("size mode tmpcopyup notmpcopyup chown".split())),
    "image": ("source", *_COMMON, "subpath"),
    "devpts": ("target", "uid", "gid", "mode", "max"),
}
_NEEDS_VALUE = ("source", "target", "bind-propagation", "relabel", "size", "mode", "uid", "gid", "max", "subpath")


def parse_mount(text: str) -> list[Mount]:
    """Parse one --mount: one mount, or with a pattern (type=glob) one for each path that fits it.

    Raises PodError for what is none.
    """
    settings = _settings(text)
    kind = settings.pop("type", "volume") or ""
    if kind == "artifact":
        raise PodError("mounts of type artifact are not supported: there is no store of artifacts yet")
    known = _KEYS.get(kind)
    if known is None:
        raise PodError(f'invalid filesystem type "{kind}"', hint="known are " + ", ".join(_KEYS))
    for name, value in settings.items():
        if name == "source" and kind in ("tmpfs", "ramfs"):
            raise PodError(f"source is not supported with {kind} mounts")
        if name not in known:
            raise PodError(f"{name}: invalid mount option", hint=f"a mount of type {kind} knows " + ", ".join(known))
        if value is None and name in _NEEDS_VALUE:
            raise PodError(f"{name}: must provide an argument for option")
    if kind == "image" and not (settings.get("source") and settings.get("target")):
        raise PodError("must set source and destination for image volume")
    if not settings.get("target"):
        raise PodError("must set volume destination")
    if kind == "glob":
        return _glob(settings)
    return [_one(kind, settings)]


def _settings(text: str) -> dict[str, str | None]:
    settings: dict[str, str | None] = {}
    for item in _fields(text):
        name, equals, value = item.partition("=")
        name = _ALIASES.get(name, name)
        if name in ("ro", "rw") and not settings.keys().isdisjoint(("ro", "rw")):
            raise PodError(
                "cannot pass 'readonly', 'ro', or 'rw' options more than once: must provide an argument for option"
            )
        if name == "chown" and name in settings:
            raise PodError("cannot pass 'U' or 'chown' option more than once: must provide an argument for option")
        if name == "volume-opt" and name in settings:
            value = f"{settings[name]},{value}"
        settings[name] = value if equals else None
    return settings


def _fields(text: str) -> list[str]:
    if '"' not in text:
        return text.split(",")
    import csv

    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise PodError(f"invalid mount {text!r}: {error}") from error


def _one(kind: str, settings: dict[str, Any]) -> Mount:
    target = absolute(settings["target"])
    if kind == "bind":
        return _bind(settings, target)
    if kind == "volume":
        return _volume(settings, target)
    if kind == "image":
        more = {"writable": not _is_read_only(settings, default=True)}
        if settings.get("subpath"):
            more["subpath"] = settings["subpath"]
        return Mount("image", settings["source"], target, [], more=more)
    if kind == "devpts":
        return Mount("devpts", "devpts", target, _devpts_options(settings))
    return _memory(kind, settings, target)


def _bind(settings: dict[str, Any], target: str) -> Mount:
    source = settings.get("source", target)
    if not source:
        raise PodError("host directory cannot be empty: must provide an argument for option")
    recursive = "bind" if _truth(settings, "bind-nonrecursive") else "rbind"
    options = with_default(_flags(settings), recursive)
    if _truth(settings, "no-dereference"):
        options.append("copy-symlink")
    return Mount("bind", os.path.abspath(source), target, options, more=_more(settings))


def _glob(settings: dict[str, Any]) -> list[Mount]:
    import glob

    pattern = settings.get("source")
    if not pattern:
        raise PodError("must set source and destination for glob mount")
    found = sorted(glob.glob(os.path.abspath(pattern)))
    if not found:
        raise PodError(f'no file paths matching glob "{pattern}"')
    below = absolute(settings["target"])
    return [_bind({**settings, "source": path}, absolute(f"{below}/{os.path.basename(path)}")) for path in found]


def _volume(settings: dict[str, Any], target: str) -> Mount:
    source = settings.get("source", "")
    if "source" in settings and not source:
        raise PodError("host directory cannot be empty: must provide an argument for option")
    more = _more(settings)
    if _truth(settings, "nocreate"):
        more["nocreate"] = True
    if settings.get("subpath"):
        more["subpath"] = settings["subpath"]
    options = _flags(settings)
    for option in (settings.get("volume-opt") or "").split(","):
        if option in FLAGS:
            options.append(option)
        elif option:
            raise PodError(f"{option}: invalid mount option")
    copy = not _truth(settings, "nocopy") and (settings.get("copy") is None or parse_bool(settings["copy"]))
    name = check_name(source) if source else ""
    return Mount("volume", name, target, options, copy=copy, anonymous=not name, more=more)


def _memory(kind: str, settings: dict[str, Any], target: str) -> Mount:
    options = _flags(settings)
    for name in ("size", "mode", "uid", "gid"):
        if name in settings:
            value = settings[name]
            if name == "size" and not value.endswith("%"):
                value = str(parse_size(value))
            check_tmpfs_setting(name, value)
            options.append(f"{name}={value}")
    if _truth(settings, "notmpcopyup"):
        options.append("notmpcopyup")
    more = {"chown": True} if _truth(settings, "chown") else None
    return Mount(kind, "", target, tmpfs_options(options), more=more)


def _devpts_options(settings: dict[str, Any]) -> list[str]:
    options = ["nosuid", "noexec", "newinstance", "ptmxmode=0666"]
    for name, default in (("mode", "0620"), ("uid", ""), ("gid", "5"), ("max", "")):
        value = settings.get(name) or default
        if value and not all(letter in ("01234567" if name == "mode" else "0123456789") for letter in value):
            raise PodError(f'invalid devpts option "{name}={value}": invalid argument')
        options += [f"{name}={value}"] if value else []
    return options


def _flags(settings: dict[str, Any]) -> list[str]:
    flags = []
    for name in settings:
        if name in ("ro", "rw"):
            flags.append("ro" if _is_read_only(settings, default=False) else "rw")
        elif name == "bind-propagation":
            if settings[name] not in PROPAGATION:
                raise PodError(f'invalid bind propagation "{settings[name]}": invalid mount option')
            flags.append(settings[name])
        elif name in FLAGS and _truth(settings, name):
            flags.append(name)
    return flags


def _more(settings: dict[str, Any]) -> dict[str, Any]:
    more: dict[str, Any] = {}
    relabel = settings.get("relabel")
    if relabel is not None and relabel not in ("shared", "private"):
        raise PodError("relabel mount option must be 'private' or 'shared': invalid mount option")
    if _truth(settings, "chown"):
        more["chown"] = True
    if "idmap" in settings and settings["idmap"] not in ("false", "0"):
        value = settings["idmap"] or ""
        more["idmap"] = checked_idmap("" if value in ("true", "1") else value)
    return more


def _is_read_only(settings: dict[str, Any], *, default: bool) -> bool:
    for name in ("ro", "rw"):
        if name in settings:
            value = settings[name]
            try:
                said = value is None or parse_bool(value)
            except PodError:
                raise PodError(
                    f"'readonly', 'ro', or 'rw' must be set to true or false, instead received \"{value}\":"
                    " must provide an argument for option"
                ) from None
            return said == (name == "ro")
    return default


def _truth(settings: dict[str, Any], name: str) -> bool:
    """Return what a switch says: absent is false, without a value true."""
    if name not in settings:
        return False
    value = settings[name]
    try:
        return value is None or parse_bool(value)
    except PodError:
        shown = "'U' or 'chown'" if name == "chown" else name
        raise PodError(
            f'{shown} must be set to true or false, instead received "{value}": must provide an argument for option'
        ) from None
