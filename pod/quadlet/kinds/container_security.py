"""What a `.container` file says of security: labels, profiles, capabilities, devices, kernel parameters."""

from __future__ import annotations

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.quadlet.command import Command
    from pod.quadlet.units import Unit

_OPTIONS = {
    "SecurityLabelType": "label=type:",
    "SecurityLabelFileType": "label=filetype:",
    "SecurityLabelLevel": "label=level:",
    "AppArmor": "apparmor=",
    "SeccompProfile": "seccomp=",
}


def add_security(unit: Unit, command: Command) -> None:
    """Add the flags."""
    if unit.boolean("NoNewPrivileges"):
        command.add("--security-opt=no-new-privileges")
    if unit.boolean("SecurityLabelDisable"):
        command.add("--security-opt", "label=disable")
    if unit.boolean("SecurityLabelNested"):
        command.add("--security-opt", "label=nested")
    for key, option in _OPTIONS.items():
        value = unit.string(key)
        if value:
            command.add("--security-opt", option + value)
    for key, flag in (("DropCapability", "--cap-drop"), ("AddCapability", "--cap-add")):
        for capability in unit.items(key):
            command.add(flag, capability.lower())
    for key in ("Mask", "Unmask"):
        for paths in unit.words(key):
            command.add("--security-opt", f"{key.lower()}={paths}")
    for parameter in unit.items("Sysctl"):
        command.add("--sysctl", parameter)
    for device in unit.items("AddDevice"):
        if not device.startswith("-"):
            command.add("--device", device)
        elif _exists(device[1:].partition(":")[0]):
            command.add("--device", device[1:])


def _exists(path: str) -> bool:
    try:
        posix.stat(path)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True
