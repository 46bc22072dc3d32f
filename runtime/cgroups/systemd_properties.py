"""What systemd is told about a container: the unit's name and place, and limits as properties of the unit. Pure.

Limits come as the values for the kernel's files (v1_settings, v2_settings), so that both say the same; what systemd has
no property for is left out here, and written to the files by ourselves.
Sources: systemd.resource-control(5), org.freedesktop.systemd1(5); the path and the annotations are runc's and crun's.
"""

from __future__ import annotations

from runtime.cgroups.device_rules import WILDCARD, format_access, reduce_rules
from runtime.dbus.wire import Variant, WireError
from runtime.errors import SpecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from runtime.cgroups.files import Setting

    Property = tuple[str, Variant]

ANNOTATION = "org.systemd.property."
INFINITY = (1 << 64) - 1
_DEFAULT_PREFIX = "pod"
_DEFAULT_PERIOD = 100_000
_QUOTA_STEP = 10_000  # systemd writes quotas with a precision of 10 ms per second
_MAX_BIT = 8191  # the greatest number of processors that a kernel can be built for
# Versions of systemd that brought what older ones refuse.
_WITH_PERIOD, _WITH_CPUSET, _WITH_IDLE, _WITH_ZSWAP = 242, 244, 252, 253

_AMOUNTS_V2 = {
    "memory.max": "MemoryMax",
    "memory.high": "MemoryHigh",
    "memory.low": "MemoryLow",
    "memory.min": "MemoryMin",
    "memory.swap.max": "MemorySwapMax",
    "memory.zswap.max": "MemoryZSwapMax",
    "pids.max": "TasksMax",
    "cpu.weight": "CPUWeight",
    "io.weight": "IOWeight",
}
_AMOUNTS_V1 = {
    "memory.limit_in_bytes": "MemoryLimit",
    "pids.max": "TasksMax",
    "cpu.shares": "CPUShares",
    "blkio.weight": "BlockIOWeight",
}


def place(cgroups_path: str, container_id: str, default_slice: str) -> tuple[str, str]:
    """Return slice and name of the unit for a spec's `cgroupsPath`: `slice:prefix:name`, or nothing."""
    slice_name, prefix, name = "", _DEFAULT_PREFIX, container_id
    if cgroups_path:
        parts = cgroups_path.split(":")
        if len(parts) != 3 or not parts[2]:
            raise SpecError(f"linux.cgroupsPath: {cgroups_path!r} is not slice:prefix:name, as systemd needs it")
        slice_name, prefix, name = parts
    unit = name if name.endswith(".slice") else f"{prefix}-{name}.scope" if prefix else f"{name}.scope"
    slice_name = slice_name or default_slice
    expand(unit if unit.endswith(".slice") else slice_name)
    if "/" in unit:
        raise SpecError(f"linux.cgroupsPath: {unit!r} is not the name of a unit")
    return slice_name, unit


def expand(slice_name: str) -> str:
    """Return the path of a slice: `a-b.slice` lies in `a.slice`."""
    stem = slice_name.removesuffix(".slice")
    if not slice_name.endswith(".slice") or "/" in slice_name:
        raise SpecError(f"linux.cgroupsPath: {slice_name!r} is not the name of a slice")
    if stem == "-":
        return ""
    names = stem.split("-")
    if not all(names):
        raise SpecError(f"linux.cgroupsPath: {slice_name!r} is not the name of a slice")
    return "".join(f"/{'-'.join(names[:count])}.slice" for count in range(1, len(names) + 1))


def unit_path(slice_name: str, unit: str) -> str:
    """Return the path of a unit's cgroup below the manager's own."""
    return expand(unit) if unit.endswith(".slice") else f"{expand(slice_name)}/{unit}"


def start_properties(container_id: str, slice_name: str, unit: str, pid: int) -> list[Property]:
    """Return what makes the unit a container's: where it is, and that what lies in it is none of systemd's business."""
    properties = [("Description", Variant("s", f"container {container_id}"))]
    if unit.endswith(".slice"):
        properties.append(("Wants", Variant("as", [slice_name])))
    else:
        properties += [
            ("Slice", Variant("s", slice_name)),
            ("Delegate", Variant("b", True)),
            ("PIDs", Variant("au", [pid])),
            # A unit that has failed would keep its name taken.
            ("CollectMode", Variant("s", "inactive-or-failed")),
        ]
    accounting = ("CPUAccounting", "MemoryAccounting", "IOAccounting", "TasksAccounting")
    return [
        *properties,
        ("DefaultDependencies", Variant("b", False)),
        *((name, Variant("b", True)) for name in accounting),
    ]


def limits(settings: Iterable[Setting], *, unified: bool, version: int) -> list[Property]:
    """Return the properties that say what these files would say, for a systemd of a version."""
    values = dict(_flatten(settings))
    amounts = _AMOUNTS_V2 if unified else _AMOUNTS_V1
    found = [
        (name, Variant("t", _amount(values[file])))
        for file, name in amounts.items()
        if file in values and (name != "MemoryZSwapMax" or version >= _WITH_ZSWAP)
    ]
    if unified and values.get("cpu.idle") == "1" and version >= _WITH_IDLE:
        found.append(("CPUWeight", Variant("t", 0)))
    if unified and version >= _WITH_CPUSET:
        found += [
            (name, Variant("ay", bits(values[file])))
            for file, name in (("cpuset.cpus", "AllowedCPUs"), ("cpuset.mems", "AllowedMemoryNodes"))
            if file in values
        ]
    return [*found, *_quota(values, unified, version)]


def _flatten(settings: Iterable[Setting]) -> Iterator[tuple[str, str]]:
    """Yield files and values; systemd sees by itself which of a file and its substitute there is."""
    for setting in settings:
        yield setting.file, setting.value
        if setting.fallback is not None:
            yield setting.fallback.file, setting.fallback.value


def _amount(value: str) -> int:
    if value in ("max", "-1"):
        return INFINITY
    try:
        return int(value.removeprefix("default "))
    except ValueError:
        raise SpecError(f"linux.resources: {value!r} is not a number") from None


def _quota(values: dict[str, str], unified: bool, version: int) -> Iterator[Property]:
    if unified:
        if "cpu.max" not in values:
            return
        quota, _, period = values["cpu.max"].partition(" ")
    else:
        quota, period = values.get("cpu.cfs_quota_us", ""), values.get("cpu.cfs_period_us", "")
        if not quota and not period:
            return
    length = _amount(period) if period else _DEFAULT_PERIOD
    if version >= _WITH_PERIOD and period:
        yield "CPUQuotaPeriodUSec", Variant("t", length)
    per_second = INFINITY
    if quota and _amount(quota) not in (0, INFINITY) and length:
        per_second = -(-_amount(quota) * 1_000_000 // length)
        per_second = -(-per_second // _QUOTA_STEP) * _QUOTA_STEP
    yield "CPUQuotaPerSecUSec", Variant("t", per_second)


def bits(numbers: str) -> bytes:
    """Return a list like `0-3,8` as a set of bits, the first in the lowest bit of the first byte."""
    mask = 0
    for part in numbers.split(","):
        first, _, last = part.strip().partition("-")
        try:
            low, high = int(first), int(last or first)
        except ValueError:
            raise SpecError(f"linux.resources.cpu: {numbers!r} is not a list of numbers") from None
        if not 0 <= low <= high <= _MAX_BIT:
            raise SpecError(f"linux.resources.cpu: {part!r} is not a range of processors or nodes")
        mask |= ((1 << (high - low + 1)) - 1) << low
    return mask.to_bytes((mask.bit_length() + 7) // 8, "little")


def devices(rules: list[dict[str, Any]], proc_devices: str) -> list[Property]:
    """Return the device rules as far as systemd can keep them; `proc_devices` is the content of /proc/devices.

    What is denied out of what is allowed it cannot say; then all is allowed here, and the kernel's own guard denies.
    """
    access = reduce_rules(rules)
    reset = ("DeviceAllow", Variant("a(ss)", []))
    if access.allow:
        return [("DevicePolicy", Variant("s", "auto")), reset]
    names = dict(_device_groups(proc_devices))
    entries = []
    for (kind, major, minor), letters in access.exceptions.items():
        group = "char" if kind == "c" else "block"
        if major == WILDCARD:
            path = f"{group}-*"
        elif minor == WILDCARD:
            # A group of devices has no other name for systemd; one that no driver has registered cannot be opened.
            path = f"{group}-{names[kind, major]}" if (kind, major) in names else ""
        else:
            path = f"/dev/{group}/{major}:{minor}"
        if path:
            entries.append((path, format_access(letters)))
    return [("DevicePolicy", Variant("s", "strict")), reset, ("DeviceAllow", Variant("a(ss)", entries))]


def _device_groups(proc_devices: str) -> Iterator[tuple[tuple[str, int], str]]:
    kind = ""
    for line in proc_devices.splitlines():
        if line.endswith(" devices:"):
            kind = "c" if line.startswith("Character") else "b"
            continue
        number, _, name = line.strip().partition(" ")
        if number.isdigit() and name:
            yield (kind, int(number)), name


def annotated(annotations: dict[str, str]) -> list[Property]:
    """Return the properties that annotations ask for; a time in seconds becomes systemd's microseconds."""
    found = []
    for key, text in annotations.items():
        name = key.removeprefix(ANNOTATION)
        if name == key:
            continue
        if len(name) < 3 or not (name.isascii() and name.isalpha()):
            raise SpecError(f"annotation {key}: {name!r} is not the name of a property")
        from runtime.dbus.text import parse

        try:
            value = parse(text)
        except WireError as error:
            raise SpecError(f"annotation {key}: {error}") from error
        if name.endswith("Sec") and not name.endswith("USec"):
            name, value = _microseconds(key, name, value)
        found.append((name, value))
    return found


def _microseconds(key: str, name: str, value: Variant) -> Property:
    if isinstance(value.value, bool) or not isinstance(value.value, int | float) or value.value < 0:
        raise SpecError(f"annotation {key}: {value.value!r} is not a number of seconds")
    return f"{name.removesuffix('Sec')}USec", Variant("t", int(value.value * 1_000_000))
