"""Hooks that the JSON files of directories give to containers: reading the files, and whom each is for.

Source: oci-hooks(5), versions 1.0.0 and 0.1.0.
"""

from __future__ import annotations

import json
import os
import re

from pod.errors import PodError
from runtime.hooks import run_with

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

# The stages of files, and where in the runtime spec their hooks go: prestart is the older word for createRuntime.
_STAGES = {stage: stage for stage in ("createContainer", "createRuntime", "poststart", "poststop", "startContainer")}
_STAGES["prestart"] = "createRuntime"
_PRECREATE = "precreate"  # podman's own: a hook that is given the runtime spec, and gives the one to take
# The kinds of fields, as a message tells them.
_TEXT, _TEXTS, _NUMBER, _FLAG = "a text", "a list of texts", "a number", "true or false"
_OBJECT, _PAIRS = "an object", "an object of texts"
_ENTRY = {"path": _TEXT, "args": _TEXTS, "env": _TEXTS, "timeout": _NUMBER}


class Hook:
    """What one file says: a hook of the runtime spec, its stages, and the conditions on the container.

    A condition that is not there is None or empty.
    """

    def __init__(self, entry: dict[str, Any], stages: list[str], *, any_of: bool = False) -> None:
        self.entry = entry
        self.stages = stages
        self.any_of = any_of  # one condition is enough: version 0.1.0
        self.always: bool | None = None
        self.mounts: bool | None = None
        self.annotations: dict[str, str] = {}  # patterns
        self.commands: list[str] = []  # patterns, of which one is enough

    def matches(self, command: str, annotations: Mapping[str, str], *, has_mounts: bool) -> bool:
        """Tell whether the hook is for a container; one without conditions is for none."""
        found = [_annotated(name, value, annotations) for name, value in self.annotations.items()]
        if self.always is not None:
            found.append(self.always)
        if self.mounts is not None:
            found.append(self.mounts and has_mounts)
        if self.commands:
            found.append(any(re.search(pattern, command) for pattern in self.commands))
        return any(found) if self.any_of else bool(found) and all(found)


def read(directories: Sequence[str]) -> list[Hook]:
    """Return the hooks of all directories, in the order of the files' names.

    Of files with one name that in the last directory counts. What is not there is left out, as podman does:
    directories, and hooks whose program is missing. Raises PodError for a file that is wrong.
    """
    found: dict[str, Hook] = {}
    for directory in directories:
        for name in _names(directory):
            hook = _load(f"{directory}/{name}")
            if hook is not None:
                found[name] = hook
    return [found[name] for name in sorted(found, key=lambda name: (name.lower(), name))]


def add(
    spec: dict[str, Any], hooks: Sequence[Hook], annotations: Mapping[str, str], *, has_mounts: bool
) -> list[dict[str, Any]]:
    """Put the hooks that are for a container into its runtime spec; return those for `filtered`."""
    command = (spec["process"]["args"] or [""])[0]
    filters = []
    for hook in hooks:
        if hook.matches(command, annotations, has_mounts=has_mounts):
            for stage in hook.stages:
                if stage == _PRECREATE:
                    filters.append(hook.entry)
                else:
                    spec.setdefault("hooks", {}).setdefault(_STAGES[stage], []).append(hook.entry)
    return filters


def filtered(spec: dict[str, Any], filters: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what hooks make of a runtime spec, which each reads and writes. Raises HookError, PodError."""
    for entry in filters:
        output = os.memfd_create(_PRECREATE)
        try:
            run_with({1: output}, _PRECREATE, [dict(entry)], spec)
            os.lseek(output, 0, os.SEEK_SET)
            with open(output, encoding="utf-8", closefd=False) as file:
                spec = json.load(file)
        except ValueError as error:
            raise PodError(f"setting up OCI Hooks: output of the precreate hook `{entry['path']}`: {error}") from error
        finally:
            os.close(output)
    return spec


def _annotated(name: str, value: str, annotations: Mapping[str, str]) -> bool:
    return any(re.search(name, key) and re.search(value, said) for key, said in annotations.items())


def _names(directory: str) -> list[str]:
    try:
        return [name for name in os.listdir(directory) if name.endswith(".json")]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise PodError(f"setting up OCI Hooks: open {directory}: {(error.strerror or '').lower()}") from error


def _load(path: str) -> Hook | None:
    """Read a file; None if it is gone, or the program that it names."""
    try:
        with open(path, encoding="utf-8") as file:
            hook = parse(json.load(file))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = (error.strerror or "").lower() if isinstance(error, OSError) else str(error)
        message = f'setting up OCI Hooks: parsing hook "{path}": {reason}'
        raise PodError(message, hint="oci-hooks(5) tells of the format") from error
    return hook if os.path.exists(hook.entry["path"]) else None


def parse(document: Any) -> Hook:
    """Return what a file says. Raises ValueError."""
    if not isinstance(document, dict):
        raise ValueError("it is no object")
    version = _field(document, "version", _TEXT)
    if version == "1.0.0":
        hook = _current(document)
    elif version in (None, "", "0.1.0"):
        hook = _old(document)
    else:
        raise ValueError(f'unrecognized hook version: "{version}"')
    if not hook.entry.get("path"):
        raise ValueError("missing required property: hook.path")
    unknown = next((stage for stage in hook.stages if stage not in (*_STAGES, _PRECREATE)), None)
    if unknown is not None:
        raise ValueError(f'unknown stage "{unknown}"')
    for pattern in (*hook.commands, *hook.annotations, *hook.annotations.values()):
        _check_pattern(pattern)
    return hook


def _current(document: dict[str, Any]) -> Hook:
    entry = _field(document, "hook", _OBJECT) or {}
    entry = {name: _field(entry, name, kind) for name, kind in _ENTRY.items() if entry.get(name)}
    hook = Hook(entry, _required(_field(document, "stages", _TEXTS), "stages"))
    when = _field(document, "when", _OBJECT) or {}
    hook.always = _field(when, "always", _FLAG)
    hook.mounts = _field(when, "hasBindMounts", _FLAG)
    hook.annotations = _field(when, "annotations", _PAIRS) or {}
    hook.commands = _field(when, "commands", _TEXTS) or []
    return hook


def _old(document: dict[str, Any]) -> Hook:
    """Return what a file of version 0.1.0 says."""
    path = _required(_field(document, "hook", _TEXT), "hook")
    arguments = _field(document, "arguments", _TEXTS)
    entry = {"path": path, **({"args": [path, *arguments]} if arguments else {})}
    hook = Hook(entry, _required(_either(document, "stage", "stages"), "stages"), any_of=True)
    hook.mounts = _field(document, "hasbindmounts", _FLAG)
    hook.commands = _either(document, "cmd", "cmds") or []
    values = _either(document, "annotation", "annotations")
    hook.annotations = {".*": "|".join(values)} if values else {}
    return hook


def _required(value: Any, name: str) -> Any:
    if value is None:
        raise ValueError(f"missing required property: {name}")
    return value


def _either(document: dict[str, Any], one: str, other: str) -> list[str] | None:
    if document.get(one) is not None and document.get(other) is not None:
        raise ValueError(f"cannot set both '{one}' and '{other}'")
    found: list[str] | None = _field(document, one if document.get(one) is not None else other, _TEXTS)
    return found


def _field(document: dict[str, Any], name: str, kind: str) -> Any:
    """Return a field; None if there is none. Raises ValueError for one that is of another kind."""
    value = document.get(name)
    if value is None or _is(value, kind):
        return value
    raise ValueError(f"{name}: not {kind}: {json.dumps(value)}")


def _is(value: Any, kind: str) -> bool:
    if kind == _TEXTS:
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    if kind == _PAIRS:
        return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())
    if kind == _NUMBER:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, {_TEXT: str, _FLAG: bool, _OBJECT: dict}[kind])


def _check_pattern(pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f'invalid pattern "{pattern}": {error}') from None
