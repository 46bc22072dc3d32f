"""What no service can be made of, or none that anybody means: unknown keys, names given twice, circular orders."""

from __future__ import annotations

from pod.quadlet.kinds.table import KINDS, QUADLET_KEYS, QUADLET_SECTION
from pod.quadlet.quoting import split_items
from pod.quadlet.references import DEPENDENCIES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from pod.quadlet.unitfile import Entry
    from pod.quadlet.units import Unit

_SYSTEMD = ("Unit", "Service", "Install")
# What is written into the section of a kind by mistake, or because a line above is continued into the next section.
_SYSTEMD_KEYS = {
    "Unit": ("Description", "Documentation", "RequiresMountsFor", "StartLimitIntervalSec", *DEPENDENCIES),
    "Service": (
        *("Type", "Restart", "RestartSec", "ExecStart", "ExecStartPre", "ExecStartPost", "ExecStop", "ExecStopPost"),
        *("ExecReload", "TimeoutStartSec", "TimeoutStopSec", "TimeoutSec", "RemainAfterExit", "WorkingDirectory"),
        *("KillMode", "MemoryMax", "CPUQuota", "Slice", "SuccessExitStatus", "SyslogIdentifier"),
    ),
    "Install": ("Alias", "Also", "DefaultInstance", "RequiredBy", "UpheldBy", "WantedBy"),
}
# Source: systemd.unit(5), "String escaping for inclusion in unit names".
_NAME_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@")
_NAME_KEYS = {"container": "ContainerName", "pod": "PodName", "volume": "VolumeName", "network": "NetworkName"}


def check_keys(unit: Unit) -> None:
    """Tell keys that the unit's sections do not have, and sections that mean nothing in it."""
    for name, keys in ((unit.kind.section, unit.kind.keys), (QUADLET_SECTION, QUADLET_KEYS)):
        for entry in unit.source.keys(name):
            if entry.key not in keys:
                message = f"unsupported key '{entry.key}' in group '{name}'"
                unit.error(message, entry=entry, hint=_key_hint(unit, entry, keys))
    known = (unit.kind.section, QUADLET_SECTION, *_SYSTEMD)
    for section in unit.source.sections.values():
        if section.name and section.name not in known and not section.name.startswith("X-"):
            entries = [entry for entry in section.entries if entry.key]
            _warn_of_section(unit, section.name, entries[0] if entries else None, known)


def check_name(unit: Unit) -> None:
    """Tell a name that a service cannot have."""
    name = unit.service_name
    if not name or len(name) > 240 or name[0] in ".@" or name.count("@") > 1 or not _NAME_LETTERS.issuperset(name):
        hint = "letters, digits and :-_. make a name" if unit.has("ServiceName") else "give it a ServiceName="
        unit.error(f"invalid service name '{name}'", "ServiceName", hint=hint)


def check_unique(units: list[Unit]) -> None:
    """Tell services that two files make, and things of one name that two services make."""
    services: dict[str, Unit] = {}
    resources: dict[tuple[str, str], Unit] = {}
    for unit in units:
        first = services.setdefault(unit.service_name, unit)
        if first is not unit:
            message = f"service {unit.service_name}.service is made by {first.path} already"
            unit.error(message, "ServiceName", hint="give one of them another ServiceName=")
        key = _NAME_KEYS.get(unit.kind.module, "")
        if not key or not unit.has(key) or "%" in unit.resource_name or not unit.resource_name:
            continue
        first = resources.setdefault((unit.kind.module, unit.resource_name), unit)
        if first is not unit:
            message = f"{unit.kind.module} {unit.resource_name} is made by {first.path}, too"
            unit.warn(message, key, hint=f"give one of them another {key}=")


def check_order(units: list[Unit]) -> None:
    """Tell services that are started after one another in a circle: systemd leaves out one of them, whichever."""
    by_name = {unit.service.name: unit for unit in units}
    after = {name: _earlier(unit, by_name) for name, unit in by_name.items()}
    for unit in units:
        for name in _names(unit, "Before"):
            if name in after and unit.service.name not in after[name]:
                after[name].append(unit.service.name)
    settled: set[str] = set()
    for name in after:
        circle = _circle(name, after, settled)
        if circle:
            unit = by_name[min(circle)]
            entry = _says(unit, [by_name[one] for one in circle])
            unit.warn(f"ordering cycle: {' after '.join(circle)}", entry=entry, hint="leave out one of these orders")


def _circle(start: str, after: dict[str, list[str]], settled: set[str]) -> list[str]:
    """Return the first circle that is met on a way from a service, if there is one; what was seen is settled."""
    way: list[str] = []
    waiting = [(start, iter([start]))]
    while waiting:
        name = next(waiting[-1][1], None)
        if name is None:
            waiting.pop()
            if way:
                settled.add(way.pop())
        elif name in way:
            circle = way[way.index(name) :]
            settled.update(way)
            return [*circle, name]
        elif name not in settled:
            way.append(name)
            waiting.append((name, iter(after[name])))
    return []


def _earlier(unit: Unit, known: Collection[str]) -> list[str]:
    return [name for name in dict.fromkeys(_names(unit, "After")) if name in known]


def _names(unit: Unit, key: str) -> list[str]:
    names = []
    for entry in unit.service.all("Unit", key):
        try:
            names += split_items(entry.value)
        except ValueError:
            continue
    return names


def _says(unit: Unit, circle: list[Unit]) -> Entry | None:
    """Return the line of a file by which its service is in the circle."""
    names = [name for other in circle if other is not unit for name in (other.name, other.service.name)]
    for section in ("Unit", unit.kind.section):
        for entry in unit.source.keys(section):
            if any(name in entry.value for name in names):
                return entry
    return None


def _key_hint(unit: Unit, entry: Entry, keys: Collection[str]) -> str:
    from pod.names import nearest

    near = next((key for key in sorted(keys) if key.lower() == entry.key.lower()), "")
    section = next((name for name, of_systemd in _SYSTEMD_KEYS.items() if entry.key in of_systemd), "")
    if section and not near:
        return f"it is a key of [{section}]"
    others = [f".{kind.module}" for kind in KINDS.values() if entry.key in kind.keys]
    near = near or ("" if others else nearest(entry.key, sorted(keys)))
    if near:
        return f"did you mean '{near}'?"
    if others:
        return f"only {' and '.join(others)} files have it"
    return "flags without a key of their own go into PodmanArgs="


def _warn_of_section(unit: Unit, name: str, entry: Entry | None, known: Collection[str]) -> None:
    from pod.names import nearest

    near = nearest(name, list(known))
    hint = f"did you mean [{near}]?" if near else "a section of your own begins with X-"
    unit.warn(f"section [{name}] means nothing in a .{unit.kind.module} file", entry=entry, hint=hint)
