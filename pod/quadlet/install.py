"""[Install] as the symbolic links that `systemctl enable` would make: generated services cannot be enabled.

Source: systemd.unit(5), [Install]; podman-systemd.unit(5).
"""

from __future__ import annotations

from pod.quadlet.quoting import split_items

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.quadlet.units import Unit

_BY = (("WantedBy", "wants"), ("RequiredBy", "requires"), ("UpheldBy", "upholds"))


def links(unit: Unit) -> list[tuple[str, str]]:
    """Return the links as (where, to what), below the directory that the service is in."""
    service = unit.service.name
    found = []
    for alias in _names(unit, "Alias"):
        parts = [part for part in alias.split("/") if part not in ("", ".")]
        if alias.startswith("/") or ".." in parts or not parts or parts == [service]:
            unit.warn(
                f"Alias {alias} is ignored", entry=unit.source.last("Install", "Alias"), hint="write a unit's name"
            )
            continue
        found.append(("/".join(parts), "../" * (len(parts) - 1) + service))
    installed = _installed_name(unit)
    for key, directory in _BY if installed else ():
        for name in _names(unit, key):
            if "/" in name:
                entry = unit.source.last("Install", key)
                unit.warn(f"{key} {name} is ignored: it is a path", entry=entry, hint="write a unit's name")
            else:
                found.append((f"{name}.{directory}/{installed}", f"../{service}"))
    return found


def _installed_name(unit: Unit) -> str:
    """Return the name under which others want the service: of a template, its default instance; empty without one."""
    base, at, instance = unit.service_name.partition("@")
    if not at or instance:
        return unit.service.name
    default = unit.source.last("Install", "DefaultInstance")
    return f"{base}@{default.value}.service" if default and default.value else ""


def _names(unit: Unit, key: str) -> list[str]:
    found = []
    for entry in unit.source.all("Install", key):
        try:
            found += split_items(entry.value)
        except ValueError as error:
            unit.warn(f"{key} is ignored: {error}", entry=entry)
    return found
