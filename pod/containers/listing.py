"""Containers with what they do at this moment, and what a list says of each (which ones: filters.py, chooser.py)."""

from __future__ import annotations

import posix
import time

from pod import state
from pod.cli.output import duration
from pod.containers.status import observe
from pod.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pod.containers.status import Status
    from pod.engine import Engine

NEVER = -62135596800  # Go's zero time, in seconds since the epoch
# The namespaces of a container: podman's field, and the kernel's name below /proc/<pid>/ns.
NAMESPACES = (
    ("Cgroup", "cgroup"),
    ("IPC", "ipc"),
    ("MNT", "mnt"),
    ("NET", "net"),
    ("PIDNS", "pid"),
    ("USERNS", "user"),
    ("UTS", "uts"),
)
_JSON_NAMESPACES = {"IPC": "Ipc", "MNT": "Mnt", "NET": "Net", "PIDNS": "Pidns", "USERNS": "User", "UTS": "Uts"}


class Seen:
    """What is known of all containers of a list, once somebody has asked for it."""

    __slots__ = ("containers", "networks", "pods")

    def __init__(self, containers: list[state.Container]) -> None:
        self.containers = containers
        self.networks: dict[str, list[str]] | None = None
        self.pods: dict[str, str] | None = None


class Listed:
    """A container and what it does at this moment."""

    __slots__ = ("container", "seen", "status")

    def __init__(self, container: state.Container, status: Status, seen: Seen) -> None:
        self.container = container
        self.status = status
        self.seen = seen

    @property
    def command(self) -> list[str]:
        """The words of its process."""
        config = self.container.config
        words: list[str] = config["entrypoint"] + config["command"]
        return words


def listed(engine: Engine) -> list[Listed]:
    """Return all containers, oldest first."""
    try:
        monitored = set(posix.listdir(f"{engine.config.runroot}/containers"))
    except FileNotFoundError:
        monitored = set()
    containers = state.containers(engine.connection)
    seen = Seen(containers)
    known = {one.id: observe(engine.config, one.id, rests=one.id not in monitored) for one in containers}
    if any(one.is_guess for one in known.values()):
        from pod.containers.remains import lost

        known |= lost.survivors(engine.config, known)
    return [Listed(one, known[one.id], seen) for one in containers]


def sort_key(name: str, engine: Engine) -> Callable[[Listed], Any]:
    """Return the key for --sort. Raises UsageError for one that there is not."""
    keys: dict[str, Callable[[Listed], Any]] = {
        "created": lambda item: item.container.created,
        "id": lambda item: item.container.id,
        "names": lambda item: item.container.name,
        "image": lambda item: item.container.config["image_name"],
        "command": lambda item: item.command,
        "pod": lambda item: item.container.config["pod"]["id"],
        "size": lambda item: sizes(engine, item)["rootFsSize"],
        "status": lambda item: item.status.state,
        "runningfor": lambda item: -item.status.started,
    }
    if name not in keys:
        known = ", ".join(sorted(keys))
        raise UsageError(
            f'invalid argument "{name}" for "--sort" flag: "{name}" is not a valid value.  Choose from: "{known}"',
            command="pod ps",
        )
    return keys[name]


def sizes(engine: Engine, item: Listed) -> dict[str, int]:
    """Return what `ps --size` tells: the bytes written, and those with the image's."""
    from pod.containers.inspect import fields as inspect_fields

    container = item.container
    written, all_ = inspect_fields.sizes(engine, container, inspect_fields.image_of(engine, container))
    return {"rootFsSize": all_, "rwSize": written}


def namespaces(item: Listed) -> dict[str, str]:
    """Return the numbers of a running container's namespaces, by podman's fields; empty texts for one that rests."""
    numbers = {}
    for field, kind in NAMESPACES:
        try:
            link = posix.readlink(f"/proc/{item.status.pid}/ns/{kind}") if item.status.pid else ""
        except OSError:
            link = ""
        numbers[field] = link.partition("[")[2].rstrip("]")
    return numbers


def json_object(engine: Engine, item: Listed, *, size: bool, namespace: bool) -> dict[str, Any]:
    """Return a container as `ps --format json` tells it, with podman's names."""
    from pod.cli.output import age
    from pod.containers import restart
    from pod.containers.health import checks as health

    container, status, config = item.container, item.status, item.container.config
    numbers = namespaces(item) if namespace else {}
    return {
        "AutoRemove": container.auto_remove,
        "Command": item.command,
        "CreatedAt": age(container.created),
        "CIDFile": "",
        "Exited": status.state == "exited",
        "ExitedAt": int(status.finished) if status.finished else NEVER,
        "ExitCode": status.exit_code,
        "ExposedPorts": exposed_ports(item) or None,
        "Id": container.id,
        "Image": config["image_name"],
        "ImageID": container.image,
        "IsInfra": config["pod"]["infra"],
        "Labels": config["labels"] or None,
        "Mounts": mounts(item),
        "Names": [container.name],
        "Namespaces": {_JSON_NAMESPACES.get(name, name): number for name, number in numbers.items() if number},
        "Networks": networks(engine, item),
        "Pid": status.pid,
        "Pod": config["pod"]["id"],
        "PodName": pod_name(engine, item),
        "Ports": published(item) or None,
        "Restarts": restart.count(engine.config, container.id),
        "Size": sizes(engine, item) if size else None,
        "StartedAt": int(status.started) if status.started else NEVER,
        "State": status.state,
        "Status": status_text(status, health.status(engine.config, container)),
        "Created": int(container.created),
    }


def networks(engine: Engine, item: Listed) -> list[str]:
    """Return the names of the networks that a container is on; they are asked for once for all containers."""
    mode = item.container.config["namespaces"]["network"]
    if mode != "bridge":
        return ["pasta"] if mode == "pasta" else []
    if item.seen.networks is None:
        from pod.networks.inspect import names_by_container

        item.seen.networks = names_by_container(engine.connection)
    return item.seen.networks.get(item.container.id, [])


def pod_name(engine: Engine, item: Listed) -> str:
    """Return the name of the pod that a container is in, empty for none; the pods are asked for once."""
    identity = item.container.config["pod"]["id"]
    if not identity:
        return ""
    if item.seen.pods is None:
        from pod.pods import rows

        item.seen.pods = rows.names(engine.connection)
    return item.seen.pods.get(identity, "")


def exposed_ports(item: Listed) -> dict[str, list[str]]:
    """Return the protocols of each port that is exposed."""
    found: dict[str, list[str]] = {}
    for text in item.container.config["network"]["expose"]:
        port, _, protocol = text.partition("/")
        found.setdefault(port, []).append(protocol)
    return found


def published(item: Listed) -> list[dict[str, Any]]:
    """Return what the host passes on to a container, or to the pod that it is in (pod.containers.ports.published)."""
    config = item.container.config
    found: list[dict[str, Any]] = config["ports"]
    if found or not config["pod"]["id"]:
        return found
    holder = config["namespaces"]["network"].removeprefix("container:")
    return next((one.config["ports"] for one in item.seen.containers if one.id == holder), [])


def ports(item: Listed) -> str:
    """Return "0.0.0.0:8080->80/tcp, 90-91/tcp": what is published, and what is only exposed."""
    mappings, expose = published(item), item.container.config["network"]["expose"]
    return ", ".join([*map(_port, mappings), *(_only_exposed(mappings, expose) if expose else ())])


def _only_exposed(mappings: list[dict[str, Any]], expose: list[str]) -> list[str]:
    published = {
        (one["protocol"], one["container_port"] + number) for one in mappings for number in range(one["range"])
    }
    exposed = {(protocol, int(port)) for port, _, protocol in (text.partition("/") for text in expose)}
    ranges: list[tuple[str, int, int]] = []
    for protocol, port in sorted(exposed - published):
        if ranges and ranges[-1][0] == protocol and ranges[-1][2] == port - 1:
            ranges[-1] = (protocol, ranges[-1][1], port)
        else:
            ranges.append((protocol, port, port))
    return [
        f"{first}/{protocol}" if first == last else f"{first}-{last}/{protocol}" for protocol, first, last in ranges
    ]


def _port(one: dict[str, Any]) -> str:
    first, container, more = one["host_port"], one["container_port"], one["range"] - 1
    host_ip = one["host_ip"] or "0.0.0.0"  # without brackets: so podman has it here, though not in `port`
    if not more:
        return f"{host_ip}:{first}->{container}/{one['protocol']}"
    return f"{host_ip}:{first}-{first + more}->{container}-{container + more}/{one['protocol']}"


def mounts(item: Listed) -> list[str]:
    """Return where volumes and directories of the host are mounted in a container."""
    return [mount["target"] for mount in item.container.config["mounts"] if mount["type"] in ("bind", "volume")]


def status_text(status: Status, health: str = "") -> str:
    """Return "Up 2 minutes (healthy)", "Exited (0) 3 seconds ago" or "Created"."""
    now = time.time()
    if status.state == "running":
        return f"Up {duration(now - status.started)}" + (f" ({health})" if health else "")
    if status.state == "exited":
        return f"Exited ({status.exit_code}) {duration(now - status.finished)} ago"
    if status.state == "restarting":
        return f"Restarting ({status.exit_code}) {duration(now - status.finished)} ago"
    return status.state.capitalize()
