"""What the services of several kinds have: the beginning of each, types, how they are ended."""

from __future__ import annotations

from pod.quadlet import references
from pod.quadlet.kinds.table import QUADLET_SECTION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.quadlet.units import Unit

# There is no network-online.target in a user's systemd: this service of contrib/systemd waits for the system's.
_USERS_NETWORK = "podman-user-wait-network-online.service"
_UNSUPPORTED = ("User", "Group", "DynamicUser")


def service_name(unit: Unit) -> str:
    """Return what the service is called, without `.service`."""
    given = unit.string("ServiceName")
    if given:
        return given.removesuffix(".service")
    base = unit.name.rpartition(".")[0]
    if base.endswith("@"):
        return f"{base[:-1]}{unit.kind.service_suffix}@"
    return base + unit.kind.service_suffix


def resource_name(unit: Unit, key: str) -> str:
    """Return the name that a key gives to what the service makes, else one made from that of the file."""
    given = unit.string(key)
    if given:
        return given
    base = unit.name.rpartition(".")[0]
    if "@" in base:
        return f"systemd-{base.partition('@')[0]}-%i"
    return f"systemd-{base}"


def begin(unit: Unit) -> None:
    """Make the service a copy of the file that systemd understands, and put in what all services have."""
    service = unit.service
    service.name = f"{unit.service_name}.service"
    service.merge(unit.source)
    references.translate(unit)
    _wait_for_network(unit)
    service.add("Unit", "SourcePath", unit.path.replace("%", "%%"))
    service.add("Unit", "RequiresMountsFor", "%t/containers")
    service.rename(unit.kind.section, f"X-{unit.kind.section}")
    service.rename(QUADLET_SECTION, f"X-{QUADLET_SECTION}")
    for key in _UNSUPPORTED:
        entry = unit.source.last("Service", key)
        if entry:
            message = f"using key {key} in the Service group is not supported"
            unit.warn(message, entry=entry, hint=f"write it in [{unit.kind.section}], or install the file as that user")


def oneshot(unit: Unit, *, remain: bool) -> None:
    """Let the service be one that ends when it has done its work, and count as active after that if it is to remain."""
    default(unit, "SyslogIdentifier", "%N")
    default(unit, "Type", "oneshot")
    if remain:
        default(unit, "RemainAfterExit", "yes")


def notify_type(unit: Unit) -> bool:
    """Let the service tell by itself that it is ready, unless it is a oneshot; return whether it does."""
    given = unit.service_string("Type")
    if given == "oneshot":
        return False
    if given not in ("", "notify"):
        entry = unit.source.last("Service", "Type")
        unit.error(f"invalid service Type '{given}'", entry=entry, hint="write notify or oneshot, or leave it out")
    unit.service.set("Service", "Type", "notify")
    unit.service.set("Service", "NotifyAccess", "all")
    return True


def kill_mode(unit: Unit) -> None:
    """Let systemd kill as the monitor can bear it: it ends the container and cleans up."""
    given = unit.service_string("KillMode")
    if given and given not in ("mixed", "control-group"):
        entry = unit.source.last("Service", "KillMode")
        unit.error(f"invalid KillMode '{given}'", entry=entry, hint="write mixed or control-group, or leave it out")
    default(unit, "KillMode", "mixed")


def default(unit: Unit, key: str, value: str) -> None:
    """Assign a key of [Service] that the file does not."""
    if unit.service.last("Service", key) is None:
        unit.service.set("Service", key, value)


def _wait_for_network(unit: Unit) -> None:
    entry = unit.source.last(QUADLET_SECTION, "DefaultDependencies")
    if entry and entry.value.strip('"').lower() not in ("1", "yes", "true", "on"):
        return
    target = _USERS_NETWORK if unit.units.user else "network-online.target"
    unit.service.begin("Unit", "After", target)
    unit.service.begin("Unit", "Wants", target)
