"""`.volume`: a service that creates a volume. Source: podman-volume.unit(5)."""

from __future__ import annotations

from pod.quadlet import options, quoting, references, services
from pod.quadlet.command import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.quadlet.units import Unit


def resource_name(unit: Unit) -> str:
    """Return the name of the volume, which may hold specifiers."""
    return services.resource_name(unit, "VolumeName")


def convert(unit: Unit) -> None:
    """Let the service create the volume unless it is there."""
    command = Command(unit)
    command.add("volume", "create", "--ignore")
    command.add_strings({"UID": "--uid", "GID": "--gid", "Driver": "--driver"})
    if unit.string("Driver") == "image":
        _of_image(unit, command)
    else:
        _of_options(unit, command)
    command.add_pairs({"Label": "--label"})
    options.add_podman_args(unit, command)
    command.add(resource_name(unit))
    command.into("ExecStart")
    services.oneshot(unit, remain=True)


def _of_image(unit: Unit, command: Command) -> None:
    image = unit.string("Image")
    if not image:
        unit.error("the key Image is mandatory when using the image driver", key="Driver", hint="Image=NAME")
        return
    command.add("--opt", f"image={references.image(unit, image)}")


def _of_options(unit: Unit, command: Command) -> None:
    """Add what mount(8) is to be told when the volume is used."""
    copies = unit.boolean("Copy")
    if copies is not None:
        command.add("--opt", "copy" if copies else "nocopy")
    device, type = unit.string("Device"), unit.string("Type")
    if device:
        command.add("--opt", f"device={device}")
    if type and not device:
        unit.error("key Type can't be used without Device", key="Type", hint="Device= says what is to be mounted")
    elif type:
        command.add("--opt", f"type={type}")
        if type == "bind":
            unit.service.add("Unit", "RequiresMountsFor", quoting.quote(device))
    owner = [_owner(unit, "User", "uid", "/etc/passwd"), _owner(unit, "Group", "gid", "/etc/group")]
    if any(owner) or unit.string("Options"):
        command.add("--opt", "o=" + ",".join(part for part in (*owner, unit.string("Options")) if part))


def _owner(unit: Unit, key: str, option: str, path: str) -> str:
    name = unit.string(key)
    if not name:
        return ""
    number = name if name.isascii() and name.isdigit() and int(name) < 1 << 32 else _number(name, path)
    if not number:
        unit.error(f"invalid {key} '{name}'", key, hint=f"write a number, or a name that is in {path}")
    return f"{option}={number}"


def _number(name: str, path: str) -> str:
    """Return the ID of a name in a file of accounts; nobody else is asked, for at boot nobody answers yet."""
    if name == "root":
        return "0"
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            fields = [line.split(":") for line in file]
    except OSError:
        return ""
    return next((line[2] for line in fields if len(line) > 2 and line[0] == name), "")
