"""What a RUN gets beyond its container if the command line allows it: privileges, devices.

A Containerfile asks, and may be anybody's. Source: BuildKit's entitlements, docker-buildx-build(1), --allow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pod.errors import PodError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pod.build.language.instructions import Run
    from pod.containers.create import CreateOptions

_INSECURE = "security.insecure"
_DEVICE = "device"
# The network of the host needs no leave here, as it needs none with podman.
_KNOWN = (_INSECURE, _DEVICE, "network.host")


def parse(texts: Iterable[str]) -> frozenset[str]:
    """Return what --allow names. Raises PodError for what there is not."""
    allowed = frozenset(texts)
    for text in allowed:
        if text not in _KNOWN and not text.startswith(f"{_DEVICE}="):
            raise PodError(f'unknown entitlement "{text}" for --allow', hint=f"known are {', '.join(_KNOWN)}")
    return allowed


def check(instruction: Run, allowed: frozenset[str]) -> None:
    """Refuse what a RUN asks for and may not have. Raises PodError."""
    if instruction.security == "insecure" and _INSECURE not in allowed:
        raise PodError(f"{_INSECURE} is not allowed", hint=f"--allow {_INSECURE} gives this RUN extended privileges")
    for device in instruction.devices:
        if allowed.isdisjoint((_DEVICE, f"{_DEVICE}={device.name}")):
            raise PodError(f"device {device.name} is not allowed", hint=f"--allow {_DEVICE}={device.name}")


def devices(instruction: Run, directories: Sequence[str]) -> list[str]:
    """Return the devices that a RUN gets; `directories` are those of CDI's files, empty for the usual ones.

    One that is not there is left out unless it is required. Raises PodError for what is no name of CDI.
    """
    if not instruction.devices:
        return []
    from pod.containers.devices import cdi, cdi_files

    found = cdi_files.read(directories or cdi_files.DIRECTORIES).devices
    for device in instruction.devices:
        if not cdi.is_name(device.name):
            raise PodError(f'"{device.name}" is not the name of a CDI device', hint="write vendor.com/class=name")
    return [device.name for device in instruction.devices if device.required or device.name in found]


def grant(options: CreateOptions, instruction: Run, directories: Sequence[str]) -> None:
    """Give what was checked to the container of a RUN; see `devices`."""
    options.privileged = options.privileged or instruction.security == "insecure"
    names = devices(instruction, directories)
    if names:
        from pod.containers.devices import nodes

        asked = options.devices or nodes.asked([], [], [])
        options.devices = {**asked, "cdi": [*asked["cdi"], *names]}
