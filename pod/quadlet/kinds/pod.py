"""`.pod`: a pod, made before it starts and removed after it stops; its containers are services of their own."""

from __future__ import annotations

from pod.quadlet import options, services
from pod.quadlet.command import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.quadlet.units import Unit

_STRINGS = {"IP": "--ip", "IP6": "--ip6", "ShmSize": "--shm-size"}
_ALL_STRINGS = {
    "NetworkAlias": "--network-alias",
    "DNS": "--dns",
    "DNSOption": "--dns-option",
    "DNSSearch": "--dns-search",
    "AddHost": "--add-host",
    "HostName": "--hostname",
}


def resource_name(unit: Unit) -> str:
    """Return the pod's name."""
    return services.resource_name(unit, "PodName")


def convert(unit: Unit) -> None:
    """Make the service that runs the pod."""
    for member in unit.members:
        if member.failed:
            continue
        unit.service.add("Unit", "Wants", member.service.name)
        unit.service.add("Unit", "Before", member.service.name)
    services.default(unit, "SyslogIdentifier", "%N")
    name = unit.resource_name
    _add(unit, "ExecStart", "start", name)
    _add(unit, "ExecStop", "stop", "--ignore", f"--time={unit.string('StopTimeout') or '10'}", name)
    _add(unit, "ExecStopPost", "rm", "--ignore", "--force", name)
    _create(unit, name)
    # By this variable `auto-update` knows which service to restart.
    unit.service.add("Service", "Environment", "PODMAN_SYSTEMD_UNIT=%n")
    unit.service.set("Service", "Type", "forking")
    unit.service.set("Service", "PIDFile", "%t/%N.pid")
    services.default(unit, "Restart", "on-failure")


def _add(unit: Unit, key: str, *words: str) -> None:
    command = Command(unit)
    command.add("pod", *words)
    command.into(key)


def _create(unit: Unit, name: str) -> None:
    command = Command(unit)
    command.add("pod", "create", "--infra-conmon-pidfile=%t/%N.pid", "--replace")
    command.add("--exit-policy", unit.string("ExitPolicy") or "stop")
    options.add_user_mappings(unit, command, manual=True)
    options.add_published_ports(unit, command)
    command.add_pairs({"Label": "--label"})
    options.add_networks(unit, command)
    command.add_strings(_STRINGS)
    command.add_all_strings(_ALL_STRINGS)
    options.add_volumes(unit, command)
    command.add("--infra-name", f"{name}-infra", "--name", name)
    options.add_podman_args(unit, command)
    command.into("ExecStartPre")
