"""`.container`: a container that runs as long as its service.

The service supervises its container: it restarts it, and knows by sd_notify(3) when it is up. Each start replaces
what a crash may have left, each stop removes it.
"""

from __future__ import annotations

from pod.quadlet import options, references, services
from pod.quadlet.command import Command
from pod.quadlet.kinds.container_mounts import mount
from pod.quadlet.kinds.container_security import add_security

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.quadlet.units import Unit

_STRINGS = {
    "Timezone": "--tz",
    "PidsLimit": "--pids-limit",
    "ShmSize": "--shm-size",
    "WorkingDir": "--workdir",
    "IP": "--ip",
    "IP6": "--ip6",
    "HostName": "--hostname",
    "StopSignal": "--stop-signal",
    "StopTimeout": "--stop-timeout",
    "Pull": "--pull",
    "Memory": "--memory",
    "Retry": "--retry",
    "RetryDelay": "--retry-delay",
}
_ALL_STRINGS = {
    "NetworkAlias": "--network-alias",
    "Ulimit": "--ulimit",
    "DNS": "--dns",
    "DNSOption": "--dns-option",
    "DNSSearch": "--dns-search",
    "GroupAdd": "--group-add",
    "AddHost": "--add-host",
    "Tmpfs": "--tmpfs",
}
_BOOLEANS = {
    "RunInit": "--init",
    "EnvironmentHost": "--env-host",
    "HttpProxy": "--http-proxy",
    "ReadOnlyTmpfs": "--read-only-tmpfs",
    "ReadOnly": "--read-only",
}
_PAIRS = {"Environment": "--env", "Label": "--label", "Annotation": "--annotation"}
_HEALTH = {
    "HealthCmd": "--health-cmd",
    "HealthInterval": "--health-interval",
    "HealthOnFailure": "--health-on-failure",
    "HealthLogDestination": "--health-log-destination",
    "HealthMaxLogCount": "--health-max-log-count",
    "HealthMaxLogSize": "--health-max-log-size",
    "HealthRetries": "--health-retries",
    "HealthStartPeriod": "--health-start-period",
    "HealthTimeout": "--health-timeout",
    "HealthStartupCmd": "--health-startup-cmd",
    "HealthStartupInterval": "--health-startup-interval",
    "HealthStartupRetries": "--health-startup-retries",
    "HealthStartupSuccess": "--health-startup-success",
    "HealthStartupTimeout": "--health-startup-timeout",
}


def resource_name(unit: Unit) -> str:
    """Return the container's name; empty if only systemd knows it."""
    name = _name(unit).replace("%N", unit.service_name)
    return "" if "%" in name else name


def convert(unit: Unit) -> None:
    """Make the service that runs the container."""
    command = Command(unit)
    command.add("run", "--name", _name(unit), "--replace", "--rm")
    image = _image(unit)
    # By this variable `auto-update` knows which service to restart.
    unit.service.add("Service", "Environment", "PODMAN_SYSTEMD_UNIT=%n")
    services.kill_mode(unit)
    _add_stop(unit)
    _add_reload(unit)
    unit.service.add("Service", "Delegate", "yes")
    _add_process(unit, command)
    options.add_networks(unit, command)
    _add_notify(unit, command)
    services.default(unit, "SyslogIdentifier", "%N")
    add_security(unit, command)
    _add_user(unit, command)
    options.add_user_mappings(unit, command, manual=True)
    _add_storage(unit, command)
    _add_published(unit, command)
    command.add_pairs(_PAIRS)
    command.add_strings(_HEALTH)
    _add_pod(unit, command)
    options.add_podman_args(unit, command)
    command.add(*image)
    command.add(*unit.last_words("Exec"))
    command.into("ExecStart")


def _name(unit: Unit) -> str:
    return unit.string("ContainerName") or ("systemd-%p_%i" if "@" in unit.name else "systemd-%N")


def _image(unit: Unit) -> list[str]:
    """Return the words that say what the container is made of."""
    image, rootfs = unit.string("Image"), unit.string("Rootfs")
    if image and rootfs:
        unit.error("the Image And Rootfs keys conflict can not be specified together", "Rootfs", hint="leave out one")
    elif not image and not rootfs:
        unit.error("no Image or Rootfs key specified", "Image", hint="write Image=registry/name:tag")
    if rootfs:
        return ["--rootfs", rootfs]
    references.warn_of_short_name(unit)
    return [references.image(unit, image)]


def _add_stop(unit: Unit) -> None:
    """Let the container be removed when the service stops, also if its monitor was killed."""
    command = Command(unit)
    command.add("rm", "-v", "-f", "-i", _name(unit))
    command.into("ExecStop")
    command.into("ExecStopPost", may_fail=True)


def _add_reload(unit: Unit) -> None:
    signal, words = unit.string("ReloadSignal"), unit.last_words("ReloadCmd")
    if signal and words:
        message = "ReloadCmd and ReloadSignal are mutually exclusive but both are set"
        unit.error(message, "ReloadSignal", hint="leave out one")
    if signal or words:
        command = Command(unit)
        command.add(*(("exec", _name(unit), *words) if words else ("kill", "--signal", signal, _name(unit))))
        command.into("ExecReload")


def _add_process(unit: Unit, command: Command) -> None:
    options.add_log(unit, command)
    mode = unit.string("CgroupsMode")
    command.add(*(("--cgroups", mode) if mode else ("--cgroups=split",)))
    if unit.has("Entrypoint"):  # an empty one takes away the image's
        command.add(f"--entrypoint={unit.string('Entrypoint')}")
    command.add_strings(_STRINGS)
    command.add_all_strings(_ALL_STRINGS)
    command.add_booleans(_BOOLEANS)


def _add_notify(unit: Unit, command: Command) -> None:
    if not services.notify_type(unit):
        return
    if unit.string("Notify").lower() == "healthy":
        command.add("--sdnotify=healthy", "-d")
    elif unit.boolean("Notify"):
        command.add("--sdnotify=container", "-d")
    else:
        command.add("--sdnotify=conmon", "-d")


def _add_user(unit: Unit, command: Command) -> None:
    user, group = unit.string("User"), unit.string("Group")
    if group and not user:
        unit.error("invalid Group set without User", "Group", hint="write User= too")
    elif user:
        command.add("--user", f"{user}:{group}" if group else user)


def _add_storage(unit: Unit, command: Command) -> None:
    options.add_volumes(unit, command)
    if unit.boolean("VolatileTmp") and not unit.boolean("ReadOnly"):
        command.add("--tmpfs", "/tmp:rw,size=512M,mode=1777")
    for path in unit.words("EnvironmentFile"):
        command.add("--env-file", references.absolute(unit, path))
    for secret in unit.words("Secret"):
        command.add("--secret", secret)
    for entry in unit.entries("Mount"):
        for word in unit.split(entry):
            command.add("--mount", mount(unit, word, entry))


def _add_published(unit: Unit, command: Command) -> None:
    for entry in unit.entries("ExposeHostPort"):
        ports = entry.value
        numbers, slash, protocol = ports.partition("/")
        first, _, last = numbers.partition("-")
        if not first.isdecimal() or (last and not last.isdecimal()) or (slash and protocol not in ("tcp", "udp")):
            unit.error(f"invalid port format '{ports}'", entry=entry, hint="write 80, 80/udp or 80-90")
        command.add("--expose", ports)
    options.add_published_ports(unit, command)
    update = unit.string("AutoUpdate")
    if update:
        command.add("--label", f"io.containers.autoupdate={update}")


def _add_pod(unit: Unit, command: Command) -> None:
    name = unit.string("Pod")
    if not name:
        return
    if not name.endswith(".pod"):
        unit.error(
            f"pod {name} is not Quadlet based", "Pod", hint=f"describe it in {name}.pod and write Pod={name}.pod"
        )
        return
    pod = unit.units.find(name)
    if pod is None:
        hint = references.missing(unit, name)
        unit.error(f"quadlet pod unit {name} does not exist", "Pod", hint=hint)
        return
    command.add("--pod", pod.resource_name)
    references.require(unit, pod, by="BindsTo")
    if not unit.is_template and unit.boolean("StartWithPod") is not False:
        pod.members.append(unit)
