"""Devices of a container: nodes of the host (--device), rules of the cgroup, and all of them with --privileged.

Source: podman-run(1); c/common's DevicesFromPath for directories and links. CDI devices are in cdi.py.
"""

from __future__ import annotations

import os
import stat

from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.containers.configuration import ContainerConfig, Devices

    Document = dict[str, Any]

# Made by the runtime itself, or directories that hold mounts of their own.
_SKIPPED = frozenset(
    ("null zero full tty random urandom console ptmx pts shm mqueue fd stdin stdout stderr core").split()
)


def asked(devices: list[str], rules: list[str], gpus: list[str]) -> Devices:
    """Return what the flags come to. Raises PodError for what makes no sense."""
    from pod.containers.devices import cdi

    for rule in rules:
        parse_rule(rule)
    return {
        "host": [parse(text) for text in devices if not cdi.is_name(text)],
        "rules": rules,
        "cdi": [text for text in devices if cdi.is_name(text)],
        "gpus": gpus,
        "cdi_dirs": [],
    }


def parse(text: str) -> dict[str, str]:
    """Return source, target and access of `HOST[:CONTAINER][:rwm]`. Raises PodError for what is none."""
    source, *rest = text.split(":")
    if not source or len(rest) > 2:
        raise PodError(f"invalid device specification: {text}", hint="write it like /dev/sdc:/dev/xvdc:rwm")
    target, access = source, "rwm"
    if rest and not rest[0].startswith("/"):
        if len(rest) == 2 or not _is_access(rest[0]):
            raise PodError(f"invalid device mode: {rest[0]}", hint="it is made of r, w and m")
        access = rest[0]
    elif rest:
        target = rest[0]
        if len(rest) == 2:
            access = rest[1]
            if not _is_access(access):
                raise PodError(f"invalid device mode: {access}", hint="it is made of r, w and m")
    return {"source": source, "target": os.path.normpath(target), "access": access}


def _is_access(text: str) -> bool:
    return bool(text) and len(set(text)) == len(text) and set(text) <= set("rwm")


def parse_rule(text: str) -> Document:
    """Return the rule of `TYPE MAJOR:MINOR ACCESS` as an entry of linux.resources.devices.

    Raises PodError for what is none.
    """
    fields = text.split()
    if len(fields) != 3 or fields[1].count(":") > 1:
        raise PodError(
            f'invalid device cgroup rule requires type, major:Minor, and access rules: "{text}"',
            hint="write it like 'c 189:* rwm'",
        )
    kind, number, access = fields
    if kind not in ("a", "b", "c"):
        raise PodError(f"invalid device type in device-access-add: {kind}", hint="it is a, b or c")
    if not _is_access(access):
        raise PodError(f"invalid device access in device-access-add: {access}", hint="it is made of r, w and m")
    rule: Document = {"allow": True, "type": kind, "access": access}
    major, _, minor = number.partition(":")
    for name, value in (("major", major), ("minor", minor or "*")):
        if value != "*":
            if not (value.isascii() and value.isdigit()):
                raise PodError(f'invalid device cgroup rule "{text}": {name} is neither a number nor *')
            rule[name] = int(value)
    return rule


def check(devices: Devices, *, rootless: bool) -> None:
    """Refuse now what could not be had at the start. Raises PodError."""
    if devices["rules"] and rootless:
        raise PodError(
            "device cgroup rules are not supported in rootless mode or in a user namespace",
            hint="the file permissions of the device alone decide there",
        )
    for device in devices["host"]:
        nodes(device)
    if devices["cdi"] or devices["gpus"]:
        from pod.containers.devices import cdi

        cdi.resolve(devices)


def nodes(device: dict[str, str]) -> list[tuple[str, str]]:
    """Return each device node as (path on the host, path in the container): those below, if it is a directory.

    Raises PodError for what is not there, or is none.
    """
    source = os.path.realpath(device["source"]) if os.path.islink(device["source"]) else device["source"]
    try:
        mode = os.stat(source).st_mode
    except OSError as error:
        raise PodError(f"stat {device['source']}: {(error.strerror or '').lower()}") from None
    if not stat.S_ISDIR(mode):
        if not (stat.S_ISCHR(mode) or stat.S_ISBLK(mode)):
            raise PodError(
                f"{device['source']} is not a valid device: not a device node", hint="mount other files with --volume"
            )
        return [(source, device["target"])]
    found = []
    for directory, _, names in os.walk(source):
        paths = [path for name in sorted(names) if _number(path := f"{directory}/{name}") is not None]
        found += [(path, os.path.normpath(device["target"] + path.removeprefix(source))) for path in paths]
    if not found:
        raise PodError(f"no devices found in {device['source']}: invalid argument")
    return found


def apply(spec: Document, config: ContainerConfig, *, rootless: bool) -> ContainerConfig:
    """Add a container's devices to its runtime spec; return the configuration with what changes in that (groups).

    Nodes of the host are bound where the container has a user namespace, and so none can be made.
    """
    devices = config["devices"]
    for device in devices["host"]:
        for source, target in nodes(device):
            add_node(spec, source, target, device["access"], bind=rootless or _has_user_namespace(spec))
    for rule in devices["rules"]:
        allow(spec, parse_rule(rule))
    if devices["cdi"] or devices["gpus"]:
        from pod.containers.devices import cdi

        return cdi.apply(spec, config, rootless=rootless)
    return config


def add_node(
    spec: Document, source: str, target: str, access: str, *, bind: bool, changes: Document | None = None
) -> None:
    """Add one node of the host; `changes` overrules what the host says of it (type, major, owner …).

    Raises PodError for what is none.
    """
    found = {**(_described(source) or {}), **(changes or {}), "path": target}
    if "type" not in found:
        raise PodError(f"{source} is not a valid device: not a device node")
    if bind:
        options = ["rbind", "rprivate", "nosuid", "noexec", "rw" if "w" in access else "ro"]
        spec["mounts"].append({"destination": target, "type": "bind", "source": source, "options": options})
    else:
        spec["linux"].setdefault("devices", []).append(found)
    if "major" in found:
        kind = "c" if found["type"] == "u" else found["type"]
        rule = {"allow": True, "type": kind, "major": found["major"], "minor": found["minor"], "access": access}
        allow(spec, rule)


def allow(spec: Document, rule: Document) -> None:
    """Add a rule where the cgroup has any."""
    rules = spec["linux"]["resources"].get("devices")
    if rules is not None:
        rules.append(rule)


def _has_user_namespace(spec: Document) -> bool:
    return any(namespace["type"] == "user" for namespace in spec["linux"]["namespaces"])


def host_devices() -> list[Document]:
    """Return linux.devices entries for every device node below /dev."""
    found: list[Document] = []
    pending = ["/dev"]
    while pending:
        directory = pending.pop()
        with os.scandir(directory) as entries:
            for entry in entries:
                if directory == "/dev" and entry.name in _SKIPPED:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                elif described := _described(entry.path):
                    found.append(described)
    return found


def _number(path: str) -> os.stat_result | None:
    try:
        status = os.lstat(path)
    except OSError:
        return None  # gone meanwhile
    return status if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode) else None


def _described(path: str) -> Document | None:
    status = _number(path)
    if status is None:
        return None
    return {
        "path": path,
        "type": "c" if stat.S_ISCHR(status.st_mode) else "b",
        "major": os.major(status.st_rdev),
        "minor": os.minor(status.st_rdev),
        "fileMode": stat.S_IMODE(status.st_mode),
        "uid": status.st_uid,
        "gid": status.st_gid,
    }
