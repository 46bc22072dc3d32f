"""The spec files of the Container Device Interface: reading, checking field by field, and who wins.

A file that is not right is left out, and what is wrong with it kept to be told when a device is not found.
"""

from __future__ import annotations

import json
import os

from storage import yaml

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    Document = dict[str, Any]

DIRECTORIES = ("/etc/cdi", "/var/run/cdi")
_HOOKS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
_STRINGS, _NUMBERS = "a list of texts", "a list of numbers"
# The fields of the parts of containerEdits: what they must be, and whether they must be there.
_EDITS: dict[str, dict[str, tuple[Any, bool]]] = {
    "deviceNodes": {
        "path": (str, True),
        "hostPath": (str, False),
        "type": (str, False),
        "major": (int, False),
        "minor": (int, False),
        "fileMode": (int, False),
        "permissions": (str, False),
        "uid": (int, False),
        "gid": (int, False),
    },
    "mounts": {
        "hostPath": (str, True),
        "containerPath": (str, True),
        "type": (str, False),
        "options": (_STRINGS, False),
    },
    "hooks": {
        "hookName": (str, True),
        "path": (str, True),
        "args": (_STRINGS, False),
        "env": (_STRINGS, False),
        "timeout": (int, False),
    },
    "netDevices": {"hostInterfaceName": (str, True), "name": (str, True)},
}


class SpecFile:
    """One file: the edits that hold for all of its devices."""

    __slots__ = ("edits", "path", "priority")

    def __init__(self, path: str, priority: int, edits: Document) -> None:
        self.path = path
        self.priority = priority
        self.edits = edits


class Found:
    """What all files together say: each device by its qualified name, and what is wrong with files."""

    def __init__(self) -> None:
        self.devices: dict[str, tuple[SpecFile, Document]] = {}
        self.problems: list[str] = []


class _WrongError(Exception):
    """A field is not as it must be."""


def read(directories: Sequence[str]) -> Found:
    """Read the files of all directories; of two that have a device, the one in the later directory counts."""
    found = Found()
    disputed: dict[str, int] = {}
    for priority, directory in enumerate(directories):
        for path in _files(directory):
            try:
                kind, file, devices = _load(path, priority)
            except (_WrongError, ValueError, OSError) as error:
                found.problems.append(f"{path}: {getattr(error, 'strerror', None) or error}")
                continue
            for device in devices:
                name = f"{kind}={device['name']}"
                other = found.devices.get(name)
                if other is not None and other[0].priority == priority:
                    found.problems.append(f"{path}: conflicting device {name}, which {other[0].path} has as well")
                    disputed[name] = priority
                found.devices[name] = (file, device)
    for name, priority in disputed.items():
        if found.devices[name][0].priority == priority:
            del found.devices[name]
    return found


def _files(directory: str) -> list[str]:
    try:
        names = os.listdir(directory)
    except OSError:
        return []
    return sorted(f"{directory}/{name}" for name in names if name.endswith((".json", ".yaml", ".yml")))


def _load(path: str, priority: int) -> tuple[str, SpecFile, list[Document]]:
    with open(path, encoding="utf-8") as file:
        text = file.read()
    document = json.loads(text) if path.endswith(".json") else yaml.loads(text)
    if not isinstance(document, dict):
        raise _WrongError("it is no object")
    if not isinstance(document.get("cdiVersion"), str):
        raise _WrongError("cdiVersion: missing, or not a text")
    kind = document.get("kind")
    from pod.containers.devices.cdi import is_name

    if not isinstance(kind, str) or not is_name(f"{kind}=x"):
        raise _WrongError(f"kind: not VENDOR/CLASS: {kind!r}")
    devices = document.get("devices")
    if not isinstance(devices, list) or not devices:
        raise _WrongError("devices: missing, or empty")
    for index, device in enumerate(devices):
        where = f"devices[{index}]"
        if not isinstance(device, dict):
            raise _WrongError(f"{where}: not an object")
        # A generator that writes YAML need not quote a name that is a number.
        device["name"] = str(device.get("name", ""))
        if not is_name(f"{kind}={device['name']}"):
            raise _WrongError(f"{where}.name: not a name: {device['name']!r}")
        _check_edits(device.setdefault("containerEdits", {}), f"{where}.containerEdits")
    edits = document.get("containerEdits") or {}
    _check_edits(edits, "containerEdits")
    return kind, SpecFile(path, priority, edits), devices


def _check_edits(edits: Any, where: str) -> None:
    if not isinstance(edits, dict):
        raise _WrongError(f"{where}: not an object")
    _check(edits.get("env"), _STRINGS, f"{where}.env")
    _check(edits.get("additionalGids"), _NUMBERS, f"{where}.additionalGids")
    if edits.get("intelRdt"):
        raise _WrongError(f"{where}.intelRdt: Intel's Resource Director Technology is not supported")
    for variable in edits.get("env") or ():
        if variable.find("=") < 1:
            raise _WrongError(f"{where}.env: not KEY=VALUE: {variable!r}")
    for part, fields in _EDITS.items():
        entries = edits.get(part)
        if entries is not None and not isinstance(entries, list):
            raise _WrongError(f"{where}.{part}: not a list")
        for index, entry in enumerate(entries or ()):
            _check_entry(entry, fields, f"{where}.{part}[{index}]")


def _check_entry(entry: Any, fields: dict[str, tuple[Any, bool]], where: str) -> None:
    if not isinstance(entry, dict):
        raise _WrongError(f"{where}: not an object")
    for name, (kind, needed) in fields.items():
        if entry.get(name) in (None, "") and needed:
            raise _WrongError(f"{where}.{name}: missing")
        _check(entry.get(name), kind, f"{where}.{name}")
    if "hookName" in fields and entry["hookName"] not in _HOOKS:
        raise _WrongError(f"{where}.hookName: not the name of a hook: {entry['hookName']!r}")
    for name in ("path", "containerPath"):
        if name in entry and not str(entry[name]).startswith("/"):
            raise _WrongError(f"{where}.{name}: not an absolute path: {entry[name]!r}")
    if entry.get("type") is not None and "major" in fields and entry["type"] not in ("b", "c", "u", "p"):
        raise _WrongError(f"{where}.type: not the type of a device: {entry['type']!r}")


def _check(value: Any, kind: Any, where: str) -> None:
    if value is None:
        return
    if kind in (_STRINGS, _NUMBERS):
        element = str if kind == _STRINGS else int
        if not isinstance(value, list) or not all(isinstance(one, element) for one in value):
            raise _WrongError(f"{where}: not {kind}")
    elif not isinstance(value, kind) or isinstance(value, bool):
        raise _WrongError(f"{where}: not a {'text' if kind is str else 'number'}: {value!r}")
