"""Devices by their CDI names: what the spec files of vendors say that a container needs for them.

Source: the Container Device Interface, SPEC.md 1.0 (tags.cncf.io/container-device-interface).
"""

from __future__ import annotations

import os

from pod.containers.devices import nodes as devices
from pod.containers.devices.cdi_files import DIRECTORIES, Found, SpecFile, read
from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.containers.configuration import ContainerConfig, Devices

    Document = dict[str, Any]

_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_DIGITS = frozenset("0123456789")
_GPU_KINDS = ("nvidia.com/gpu", "amd.com/gpu")


def is_name(text: str) -> bool:
    """Tell whether a text is a qualified name, `VENDOR/CLASS=NAME`."""
    kind, equals, name = text.partition("=")
    vendor, slash, class_ = kind.partition("/")
    if not (equals and slash and vendor and class_ and name):
        return False
    return (
        vendor[0] in _LETTERS
        and vendor[-1] in _LETTERS | _DIGITS
        and set(vendor) <= _LETTERS | _DIGITS | set("_-.")
        and class_[0] in _LETTERS
        and set(class_) <= _LETTERS | _DIGITS | set("_-")
        and name[0] in _LETTERS | _DIGITS
        and set(name) <= _LETTERS | _DIGITS | set("_-.:")
    )


def resolve(wanted: Devices) -> list[tuple[SpecFile, Document]]:
    """Return spec file and entry of each device that is asked for. Raises PodError for those that there are not."""
    found = read(wanted["cdi_dirs"] or DIRECTORIES)
    names = [*wanted["cdi"], *_gpus(wanted["gpus"], found)]
    missing = [name for name in dict.fromkeys(names) if name not in found.devices]
    if missing:
        hint = found.problems[0] if found.problems else ""
        known = ", ".join(sorted(found.devices)[:10])
        raise PodError(
            f"setting up CDI devices: unresolvable CDI devices {', '.join(missing)}",
            hint=hint or (f"known are {known}" if known else "there are no spec files in /etc/cdi and /var/run/cdi"),
        )
    return [found.devices[name] for name in dict.fromkeys(names)]


def _gpus(wanted: list[str], found: Found) -> list[str]:
    """Return the CDI names of GPUs: of the vendor for which there are spec files, else NVIDIA's."""
    if not wanted:
        return []
    kinds = {name.partition("=")[0] for name in found.devices}
    kind = next((kind for kind in _GPU_KINDS if kind in kinds), _GPU_KINDS[0])
    return [text if is_name(text) else f"{kind}={text.removeprefix('device=')}" for text in wanted]


def apply(spec: Document, config: ContainerConfig, *, rootless: bool) -> ContainerConfig:
    """Edit a runtime spec as the files say; return the configuration with the groups that they add."""
    resolved = resolve(config["devices"])
    bind = rootless or any(namespace["type"] == "user" for namespace in spec["linux"]["namespaces"])
    groups: list[str] = []
    files: list[SpecFile] = []
    for file, device in resolved:
        edits = [device["containerEdits"]]
        if file not in files:
            # What is said of the whole file holds once, however many of its devices are wanted.
            files.append(file)
            edits.insert(0, file.edits)
        for one in edits:
            groups += _edit(spec, one, bind=bind)
    return {**config, "group_add": [*config["group_add"], *groups]}


def _edit(spec: Document, edits: Document, *, bind: bool) -> list[str]:
    environment = spec["process"]["env"]
    for variable in edits.get("env") or ():
        key = variable.partition("=")[0] + "="
        environment[:] = [item for item in environment if not item.startswith(key)] + [variable]
    for node in edits.get("deviceNodes") or ():
        _add_node(spec, node, bind=bind)
    for mount in edits.get("mounts") or ():
        options = mount.get("options") or ["ro", "nosuid", "nodev", "bind"]
        kind = mount.get("type") or ("bind" if {"bind", "rbind"} & set(options) else "none")
        spec["mounts"].append(
            {"destination": mount["containerPath"], "type": kind, "source": mount["hostPath"], "options": options}
        )
    for hook in edits.get("hooks") or ():
        entry = {key: hook[key] for key in ("path", "args", "env", "timeout") if hook.get(key)}
        spec.setdefault("hooks", {}).setdefault(hook["hookName"], []).append(entry)
    for device in edits.get("netDevices") or ():
        spec["linux"].setdefault("netDevices", {})[device["hostInterfaceName"]] = {"name": device["name"]}
    return [str(group) for group in edits.get("additionalGids") or () if group]


def _add_node(spec: Document, node: Document, *, bind: bool) -> None:
    source = node.get("hostPath") or node["path"]
    changes: Document = {key: node[key] for key in ("type", "major", "minor", "fileMode", "uid", "gid") if key in node}
    if ("type" not in node or bind) and not os.path.exists(source):
        raise PodError(f"setting up CDI devices: failed to stat CDI host device {source}: no such file or directory")
    if "uid" not in node and "gid" not in node and not bind:
        # Of the host's node only its kind, number and mode count.
        changes.setdefault("uid", 0)
        changes.setdefault("gid", 0)
    devices.add_node(spec, source, node["path"], node.get("permissions") or "rwm", bind=bind, changes=changes)
