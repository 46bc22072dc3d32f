"""RUN --mount: its options, which of them each type of mount takes, and their values.

The options are those of the Dockerfile reference, and what buildah takes beside them (SELinux labels, propagation).
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from pod.build.language.expansion import check
from pod.build.language.instructions import Device, Mount
from pod.build.language.statements import meant
from pod.errors import PodError
from pod.values import parse_bool, parse_size

if TYPE_CHECKING:
    from collections.abc import Callable

TYPES = ("bind", "cache", "tmpfs", "secret", "ssh")
SHARING = ("shared", "private", "locked")
_ALIASES = {
    "dst": "target",
    "destination": "target",
    "src": "source",
    "ro": "readonly",
    "rw": "readwrite",
}
_OWNER = ("mode", "uid", "gid")
_PODMAN_MOUNT = (
    "z Z U relabel bind-propagation bind-nonrecursive shared rshared slave rslave private rprivate "
    "nosuid suid nodev dev noexec exec"
).split()
_HEEDED = ("nosuid", "nodev", "noexec", "tmpcopyup")  # those of podman's that a mount of ours heeds
_PLACE = ("target", "readonly", "readwrite")
_OPTIONS = {
    "bind": (*_PLACE, "source", "from", *_PODMAN_MOUNT),
    "cache": (*_PLACE, "source", "from", "id", "sharing", *_OWNER, *_PODMAN_MOUNT),
    "tmpfs": (*_PLACE, "size", "mode", "tmpcopyup", "notmpcopyup", *_PODMAN_MOUNT),
    # BuildKit takes source as another word for id, and its default is the last part of the target.
    "secret": ("target", "source", "id", "env", "required", "readonly", "readwrite", *_OWNER),
    "ssh": ("target", "source", "id", "required", "readonly", "readwrite", *_OWNER),
}
_KNOWN = ["type", *dict.fromkeys(option for options in _OPTIONS.values() for option in options)]
_WITHOUT_VALUE = {"readonly", "readwrite", "required", "tmpcopyup", "notmpcopyup", "bind-nonrecursive", *_PODMAN_MOUNT}


def parse_mount(text: str, replace: Callable[[str], str] | None = None) -> Mount:
    """Return the mount of `--mount=text`; `replace` puts values in the place of variables.

    Without it a value that has a variable is left for later. Raises PodError.
    """
    options = _options(text)
    for key, value in options.items():
        if value is not None and replace is not None:
            options[key] = replace(value)
        elif value is not None:
            check(value)
    open_ = {key for key, value in options.items() if value is not None and "$" in value and replace is None}
    fields: dict[str, Any] = {"text": text, "has_variables": bool(open_)}
    if "type" not in open_:
        fields["type"] = _type(options)
        _check_options(fields["type"], options)
    extra = []
    for key, value in options.items():
        if key in open_ or key == "type":
            continue
        if key in _HEEDED:
            extra += [key] * _boolean(key, value)
        elif key in _PODMAN_MOUNT or key.endswith("tmpcopyup"):
            extra.append(key if value is None else f"{key}={value}")
        else:
            fields.update(_field(key, value))
    mount = Mount(**fields, options=tuple(extra))
    if not open_:
        _check_whole(mount)
    return mount


def parse_device(text: str) -> Device:
    """Return the device of `RUN --device=NAME[,required]`; raises PodError."""
    name, required = "", False
    for item in _items(text):
        key, equals, value = item.partition("=")
        if key.lower() == "required":
            required = parse_bool(value) if equals else True
        elif not name:
            # The name of a CDI device has a = of its own: vendor/class=name.
            name = value if key.lower() == "name" and equals else item
        else:
            raise PodError(f'unexpected "{item}" in the device "{text}"', hint="write NAME or NAME,required")
    if not name:
        raise PodError("a device requires a name", hint="write --device=vendor/class=name")
    return Device(name, required)


def _items(text: str) -> list[str]:
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise PodError(f'cannot read "{text}": {error}', hint='write fields as key=value, or "key=a,b"') from None


def _options(text: str) -> dict[str, str | None]:
    options: dict[str, str | None] = {}
    for item in _items(text):
        key, equals, value = item.partition("=")
        # Z and z differ, and U is podman's: docker's options alone are the same in any case.
        name = key if key in _PODMAN_MOUNT else _ALIASES.get(key.lower(), key.lower())
        if name not in _KNOWN:
            raise PodError(f'unexpected key "{key}" in "{item}"', hint=meant(name, [*_KNOWN, *_ALIASES]))
        if not equals and name not in _WITHOUT_VALUE:
            raise PodError(f'the mount option "{key}" requires a value', hint=f"write {key}=VALUE")
        options[name] = value if equals else None
    return options


def _type(options: dict[str, str | None]) -> str:
    kind = (options.get("type", "bind") or "").lower()
    if kind not in TYPES:
        raise PodError(f'unsupported mount type "{kind}"', hint=meant(kind, list(TYPES)))
    return kind


def _check_options(kind: str, options: dict[str, str | None]) -> None:
    for key in options:
        if key != "type" and key not in _OPTIONS[kind]:
            fitting = [other for other in TYPES if key in _OPTIONS[other]]
            raise PodError(
                f'unexpected key "{key}" for mount type "{kind}"', hint=f"{key} is for type={' or '.join(fitting)}"
            )


def _field(key: str, value: str | None) -> dict[str, Any]:
    match key:
        case "readonly" | "readwrite":
            return {"read_only": _boolean(key, value) == (key == "readonly")}
        case "required":
            return {"required": _boolean(key, value)}
        case "mode" | "uid" | "gid":
            return {key: _number(key, value or "")}
        case "size":
            return {"size": parse_size(value or "")}
        case "sharing":
            sharing = (value or "").lower()
            if sharing not in SHARING:
                raise PodError(f'unsupported sharing value "{value}"', hint=meant(sharing, list(SHARING)))
            return {"sharing": sharing}
        case "from":
            return {"from_": value or ""}
    return {key: value or ""}


def _boolean(key: str, value: str | None) -> bool:
    try:
        return True if value is None else parse_bool(value)
    except PodError:
        raise PodError(f'invalid value for {key}: "{value}"', hint="write true or false") from None


def _number(key: str, value: str) -> int:
    digits = "01234567" if key == "mode" else "0123456789"
    number = int(value, len(digits)) if value and set(value) <= set(digits) and len(value) < 12 else -1
    if not 0 <= number < 2**32:
        raise PodError(
            f'invalid value "{value}" for {key}', hint="write it in octal: mode=0755" if key == "mode" else ""
        )
    return number


def _check_whole(mount: Mount) -> None:
    if mount.type == "secret":
        if not (mount.id or mount.source or mount.target):
            raise PodError("a secret mount requires an id or a target", hint="write id=NAME")
        if mount.id and mount.source:
            raise PodError("a secret mount takes either id or source, not both", hint="leave source out")
