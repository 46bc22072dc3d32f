"""Seccomp profiles as OCI `linux.seccomp`: the default one, and files as podman and docker have them."""

from __future__ import annotations

import errno
import posix

from pod.containers.security.seccomp_rules import (
    AF_NETLINK,
    ALWAYS,
    AUDIT_CAPABILITY,
    BY_CAPABILITY,
    BY_MACHINE,
    NATIVE_ABIS,
    NETLINK_AUDIT,
    OTHER_ABIS,
    PERSONALITIES,
    REFUSED,
)
from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

# Machines (uname -m) as the files' `arches` call them.
_ARCHES = {"x86_64": "amd64", "aarch64": "arm64", "i686": "x86", "i386": "x86", "armv7l": "arm", "armv8l": "arm"}
_ALLOW, _ERRNO = "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"


def default_profile(capabilities: Iterable[str], *, arch: str | None = None) -> dict[str, Any]:
    """Return the default profile for a container with a bounding set of capabilities."""
    machine = arch or posix.uname().machine
    held = set(capabilities)
    allowed = [name for names in ALWAYS.values() for name in names.split()]
    allowed += BY_MACHINE.get(machine, "").split()
    refused = REFUSED.split()
    for capability, names in BY_CAPABILITY.items():
        (allowed if capability in held else refused).extend(names.split())
    if AUDIT_CAPABILITY in held:
        allowed.append("socket")
    rules = [
        {"names": allowed, "action": _ALLOW},
        {"names": refused, "action": _ERRNO, "errnoRet": errno.EPERM},
        *({"names": ["personality"], "action": _ALLOW, "args": [_compare(0, "EQ", each)]} for each in PERSONALITIES),
    ]
    if AUDIT_CAPABILITY not in held:
        rules += _sockets_without_audit()
    return {
        "defaultAction": _ERRNO,
        "defaultErrnoRet": errno.ENOSYS,
        "architectures": [f"SCMP_ARCH_{abi}" for abi in _abis(machine)],
        "syscalls": rules,
    }


def _abis(machine: str) -> list[str]:
    return [NATIVE_ABIS.get(machine, machine.upper()), *OTHER_ABIS.get(machine, ())]


def _sockets_without_audit() -> list[dict[str, Any]]:
    return [
        {"names": ["socket"], "action": _ALLOW, "args": [_compare(0, "NE", AF_NETLINK)]},
        {"names": ["socket"], "action": _ALLOW, "args": [_compare(2, "NE", NETLINK_AUDIT)]},
        {
            "names": ["socket"],
            "action": _ERRNO,
            "errnoRet": errno.EINVAL,
            "args": [_compare(0, "EQ", AF_NETLINK), _compare(2, "EQ", NETLINK_AUDIT)],
        },
    ]


def _compare(index: int, operator: str, value: int) -> dict[str, Any]:
    return {"index": index, "value": value, "op": f"SCMP_CMP_{operator}"}


def from_file(path: str, capabilities: Iterable[str], *, arch: str | None = None) -> dict[str, Any]:
    """Return the profile of a file: rules for other machines, kernels and capabilities are left out.

    Raises PodError for one that cannot be read, or is none.
    """
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise PodError(f"opening seccomp profile failed: open {path}: {(error.strerror or '').lower()}") from error
    return from_text(content, capabilities, arch=arch, name=path)


def from_text(
    text: str | bytes, capabilities: Iterable[str], *, arch: str | None = None, name: str = "of the image"
) -> dict[str, Any]:
    """Return the profile of a text in the format of such files; `name` is what messages call it.

    Raises PodError for what is none.
    """
    import json

    try:
        return _convert(json.loads(text), set(capabilities), arch or posix.uname().machine)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise PodError(f"loading seccomp profile ({name}) failed: {error}") from error


def _convert(document: dict[str, Any], held: set[str], machine: str) -> dict[str, Any]:
    """Convert the document of a file; what makes no sense raises one of the usual exceptions."""
    result: dict[str, Any] = {"defaultAction": document["defaultAction"]}
    default_errno = _errno(document, "defaultErrno", "defaultErrnoRet")
    if default_errno is not None:
        result["defaultErrnoRet"] = default_errno
    result["architectures"] = _architectures(document, machine)
    for key in ("flags", "listenerPath", "listenerMetadata"):
        if document.get(key):
            result[key] = document[key]
    surroundings = _Surroundings(held, _ARCHES.get(machine, machine), _version(posix.uname().release))
    result["syscalls"] = [
        _rule(entry)
        for entry in document.get("syscalls") or ()
        if surroundings.fits(entry.get("includes") or {}, entry.get("excludes") or {})
    ]
    return result


def _architectures(document: dict[str, Any], machine: str) -> list[str]:
    listed, mapped = document.get("architectures"), document.get("archMap")
    if listed and mapped:
        raise ValueError("both architectures and archMap are specified")
    native = f"SCMP_ARCH_{NATIVE_ABIS.get(machine, machine.upper())}"
    for entry in mapped or ():
        if entry["architecture"] == native:
            return [native, *(entry.get("subArchitectures") or ())]
    return list(listed or ())


def _errno(entry: dict[str, Any], by_name: str, by_number: str) -> int | None:
    """Return an errno; its name comes before its number (as podman)."""
    name = entry.get(by_name)
    if name:
        number = getattr(errno, name, None)
        if not isinstance(number, int):
            raise ValueError(f"unknown errno {name!r}")
        return number
    value = entry.get(by_number)
    return None if value is None else int(value)


def _rule(entry: dict[str, Any]) -> dict[str, Any]:
    names = [*(entry.get("names") or ())]
    if entry.get("name"):
        if names:
            raise ValueError("both name and names are specified")
        names = [entry["name"]]
    result: dict[str, Any] = {"names": names, "action": entry["action"]}
    number = _errno(entry, "errno", "errnoRet")
    if number is not None:
        result["errnoRet"] = number
    if entry.get("args"):
        result["args"] = entry["args"]
    return result


def _version(release: str) -> tuple[int, int]:
    """Return the first two numbers of a kernel's release."""
    major, minor = release.split("-")[0].split("+")[0].split(".")[:2]
    return int(major), int(minor)


class _Surroundings:
    """What the conditions of a rule are held against."""

    def __init__(self, held: set[str], arch: str, kernel: tuple[int, int]) -> None:
        self.held = held
        self.arch = arch
        self.kernel = kernel

    def fits(self, includes: dict[str, Any], excludes: dict[str, Any]) -> bool:
        """Tell whether a rule counts: all that it includes is there, and nothing that it excludes."""
        if includes.get("arches") and self.arch not in includes["arches"]:
            return False
        if not self.held.issuperset(includes.get("caps") or ()):
            return False
        if includes.get("minKernel") and self.kernel < _version(includes["minKernel"]):
            return False
        if self.arch in (excludes.get("arches") or ()) or not self.held.isdisjoint(excludes.get("caps") or ()):
            return False
        return not (excludes.get("minKernel") and self.kernel >= _version(excludes["minKernel"]))
