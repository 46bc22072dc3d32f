"""Values that cannot be: what the engine itself would refuse when the service starts, told before.

Each value goes to the parser that the flag has which it becomes; one with systemd's specifiers cannot be judged.
The generator does without: it must be fast, and the service says the same when it starts.
"""

from __future__ import annotations

from pod.errors import PodError
from pod.quadlet import value_checks as checks
from pod.quadlet.quoting import split_items, split_words
from storage.errors import StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pod.quadlet.unitfile import Entry
    from pod.quadlet.units import Unit

    Check = Callable[[str], object]

_WHOLE: dict[str, Check] = {
    "AddHost": checks.host,
    "AutoUpdate": checks.one_of("registry", "local"),
    "CgroupsMode": checks.one_of("enabled", "disabled", "no-conmon", "split"),
    "ContainerName": checks.name,
    "DNS": checks.name_server,
    "DNSSearch": checks.search_domain,
    "ExitPolicy": checks.one_of("continue", "stop"),
    "Gateway": checks.address,
    "HealthInterval": checks.interval,
    "HealthMaxLogCount": checks.number,
    "HealthMaxLogSize": checks.number,
    "HealthOnFailure": checks.one_of("none", "kill", "restart", "stop"),
    "HealthRetries": checks.number,
    "HealthStartPeriod": checks.duration,
    "HealthStartupInterval": checks.interval,
    "HealthStartupRetries": checks.number,
    "HealthStartupSuccess": checks.number,
    "HealthStartupTimeout": checks.duration,
    "HealthTimeout": checks.duration,
    "IP": checks.address,
    "IP6": checks.address,
    "IPRange": checks.address_range,
    "LogDriver": checks.log_driver,
    "Memory": checks.size,
    "NetworkName": checks.name,
    "PidsLimit": checks.integer,
    "PodName": checks.name,
    "PublishPort": checks.published_port,
    "ReloadSignal": checks.signal,
    "Retry": checks.number,
    "RetryDelay": checks.duration,
    "ShmSize": checks.size,
    "StopSignal": checks.signal,
    "StopTimeout": checks.integer,
    "Subnet": checks.subnet,
    "Tmpfs": checks.tmpfs,
    "Ulimit": checks.ulimit,
    "UserNS": checks.user_namespace,
    "Volume": checks.volume,
    "VolumeName": checks.name,
}
_ITEMS: dict[str, Check] = {
    "AddCapability": checks.capability,
    "AddDevice": checks.device,
    "DropCapability": checks.capability,
    "GIDMap": checks.id_map,
    "LogOpt": checks.log_option,
    "Sysctl": checks.sysctl,
    "UIDMap": checks.id_map,
}
_WORDS: dict[str, Check] = {"Mount": checks.mount, "Secret": checks.secret}
_QUOTED = frozenset(("Annotation", "Environment", "Exec", "GlobalArgs", "Label", "PodmanArgs"))
_BOOLEANS = frozenset(
    """AllTags Copy DefaultDependencies DisableDNS EnvironmentHost ForceRM HttpProxy IPv6 Internal KubeDownForce
    NetworkDeleteOnStop NoNewPrivileges Quiet ReadOnly ReadOnlyTmpfs RunInit SecurityLabelDisable SecurityLabelNested
    StartWithPod TLSVerify VolatileTmp""".split()
)
# Where a key means something else in one kind than in the others.
_OF_KIND: dict[str, dict[str, Check]] = {
    "container": {
        "Image": checks.image,
        "Notify": checks.one_of("healthy", *checks.YES, *checks.NO),
        "Pull": checks.pull_policy,
    },
    "build": {"Pull": checks.pull_policy, "ImageTag": checks.image},
    "image": {"Policy": checks.pull_policy},
    "kube": {"AutoUpdate": checks.auto_update_of_kube},
}


def check(unit: Unit) -> None:
    """Tell of the values of a unit's own section that cannot be."""
    for entry in unit.source.keys(unit.kind.section):
        of_kind = _OF_KIND.get(unit.kind.module, {}).get(entry.key)
        if not entry.value or entry.key not in unit.kind.keys:
            continue
        if of_kind or entry.key in _WHOLE:
            _check(unit, entry, [entry.value], of_kind or _WHOLE[entry.key])
        elif entry.key in _ITEMS:
            _check(unit, entry, _split(split_items, entry.value), _ITEMS[entry.key])
        elif entry.key in _WORDS and unit.kind.module != "build":
            _check(unit, entry, _split(split_words, entry.value), _WORDS[entry.key])
        elif entry.key in _QUOTED:
            _check_quotes(unit, entry)
        elif entry.key in _BOOLEANS:
            _check(unit, entry, [entry.value], checks.boolean)


def _check(unit: Unit, entry: Entry, values: list[str], check: Check) -> None:
    for value in values:
        value = value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
        if "%" in value.replace("%%", ""):
            continue
        try:
            check(value)
        except (PodError, StorageError) as error:
            unit.error(f"{entry.key}: {error}", entry=entry, hint=error.hint)


def _check_quotes(unit: Unit, entry: Entry) -> None:
    try:
        split_words(entry.value, strict=True)
    except ValueError as error:
        if _split(split_words, entry.value):
            hint = "what begins with the last quote is one word to the end"
            unit.warn(f"{entry.key}: {error}", entry=entry, hint=hint)


def _split(split: Callable[[str], list[str]], value: str) -> list[str]:
    try:
        return split(value)
    except ValueError:
        return []  # told by who converts it
