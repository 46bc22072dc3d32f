"""What a file says of other files and of paths: names of services and of what they make, absolute paths.

Whoever uses what another file describes is started after it, and not without it.
"""

from __future__ import annotations

from pod.quadlet.kinds import table
from pod.quadlet.quoting import quote, split_items

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.quadlet.unitfile import Entry
    from pod.quadlet.units import Unit

DEPENDENCIES = (
    *("After", "Before", "BindsTo", "Conflicts", "OnFailure", "OnSuccess", "PartOf", "PropagatesReloadTo"),
    *("PropagatesStopTo", "ReloadPropagatedFrom", "Requires", "Requisite", "StopPropagatedFrom", "Upholds", "Wants"),
)


def require(unit: Unit, other: Unit, *, by: str = "Requires") -> None:
    """Let the service be started after that of another file, and not without it."""
    name = f"{other.service_name}.service"
    unit.service.add("Unit", by, name)
    unit.service.add("Unit", "After", name)


def translate(unit: Unit) -> None:
    """Put names of services in place of names of files in the dependencies of [Unit]."""
    for key in DEPENDENCIES:
        entries = unit.source.all("Unit", key)
        names: list[str] = []
        for entry in entries:
            names += _services(unit, entry)
        if names != [name for entry in entries for name in entry.value.split()]:
            unit.service.replace("Unit", key, " ".join([quote(name) for name in names]))


def image(unit: Unit, name: str, entry: Entry | None = None) -> str:
    """Return the name of an image, which may be that of a .image or .build file."""
    if not name.endswith((".image", ".build")):
        return name
    other = unit.units.find(name)
    if other is None:
        unit.error(f"requested Quadlet image {name} was not found", "Image", entry=entry, hint=missing(unit, name))
        return name
    require(unit, other)
    return other.resource_name


def storage_source(unit: Unit, source: str, *, images: bool = False, entry: Entry | None = None) -> str:
    """Return where a mount comes from: a path, a volume, or what a .volume, .artifact (or .image) file describes."""
    if not source:
        unit.error("source cannot be empty", entry=entry)
        return source
    if source[0] == ".":
        source = absolute(unit, source)
    if source[0] == "/":
        unit.service.add("Unit", "RequiresMountsFor", quote(source))
    elif source.endswith((".volume", ".artifact", ".image") if images else (".volume", ".artifact")):
        other = unit.units.find(source)
        if other is None:
            hint = missing(unit, source)
            unit.error(f"requested Quadlet source {source} was not found", entry=entry, hint=hint)
            return source
        require(unit, other)
        return other.resource_name
    return source


def absolute(unit: Unit, path: str) -> str:
    """Return a path that is relative to the file's directory as an absolute one; one of specifiers stays."""
    if path.startswith("/") or starts_with_specifier(path):
        return path
    parts = unit.path.rpartition("/")[0].replace("%", "%%").split("/")
    for part in path.split("/"):
        if part == "..":
            parts = parts[:1] + parts[1:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def starts_with_specifier(path: str) -> bool:
    """Whether a path begins with what systemd puts a directory in place of: `%h/data`."""
    return path.startswith("%") and not path.startswith("%%")


def missing(unit: Unit, name: str) -> str:
    """Return a hint for a file that is referred to and is not there."""
    from pod.names import nearest

    near = nearest(name, list(unit.units.by_name))
    return f"did you mean {near}?" if near else f"put {name} beside {unit.name}"


def warn_of_short_name(unit: Unit) -> None:
    """Tell an image whose registry is left open: who answers for it may change."""
    name = unit.string("Image")
    if not name or name.endswith((".image", ".build")) or name.startswith("sha256:"):
        return
    if len(name) == 64 and all(digit in "0123456789abcdef" for digit in name.lower()):
        return
    domain, slash, _ = name.partition("/")
    if (slash and ("." in domain or ":" in domain or domain == "localhost")) or name.startswith("%"):
        return
    message = f'image "{name}" is not a fully qualified image name'
    unit.warn(message, "Image", hint=f"write the registry, too: docker.io/{name if slash else 'library/' + name}")


def _services(unit: Unit, entry: Entry) -> list[str]:
    try:
        names = split_items(entry.value)
    except ValueError:
        return entry.value.split()
    return [_service(unit, name, entry) for name in names]


def _service(unit: Unit, name: str, entry: Entry) -> str:
    if table.find(name) is None:
        return name
    base, at, instance = name.rpartition(".")[0].partition("@")
    other = unit.units.find(name)
    if other is None and instance:
        other = unit.units.find(f"{base}{at}.{name.rpartition('.')[2]}")
    else:
        instance = ""
    if other is None:
        unit.error(f"unable to translate dependency for {name}", entry=entry, hint=missing(unit, name))
        return name
    return f"{other.service_name}{instance}.service"
