"""Containers with what they do at this moment, and what a list says of each (which ones: filters.py, chooser.py)."""

from __future__ import annotations

import time

from pod import state
from pod.containers.status import observe
from pod.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pod.containers.status import Status
    from pod.engine import Engine


class Listed:
    """A container and what it does at this moment."""

    __slots__ = ("container", "status")

    def __init__(self, container: state.Container, status: Status) -> None:
        self.container = container
        self.status = status

    @property
    def command(self) -> list[str]:
        """The words of its process."""
        config = self.container.config
        words: list[str] = config["entrypoint"] + config["command"]
        return words


def listed(engine: Engine) -> list[Listed]:
    """Return all containers, oldest first."""
    return [Listed(one, observe(engine.config, one.id)) for one in state.containers(engine.connection)]


def sort_key(name: str) -> Callable[[Listed], Any]:
    """Return the key for --sort. Raises PodError for one that there is not."""
    keys: dict[str, Callable[[Listed], Any]] = {
        "created": lambda item: item.container.created,
        "id": lambda item: item.container.id,
        "names": lambda item: item.container.name,
        "image": lambda item: item.container.config["image_name"],
        "command": lambda item: item.command,
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


def json_object(item: Listed) -> dict[str, Any]:
    """Return a container as `ps --format json` tells it, with podman's names."""
    container, status, config = item.container, item.status, item.container.config
    return {
        "AutoRemove": container.auto_remove,
        "Command": item.command,
        "CreatedAt": "",
        "Exited": status.state == "exited",
        "ExitedAt": int(status.finished) if status.finished else -62135596800,
        "ExitCode": status.exit_code,
        "Id": container.id,
        "Image": config["image_name"],
        "ImageID": container.image,
        "IsInfra": False,
        "Labels": config["labels"] or None,
        "Mounts": [mount["target"] for mount in config["mounts"]],
        "Names": [container.name],
        "Namespaces": {},
        "Networks": [],
        "Pid": status.pid,
        "Pod": "",
        "PodName": "",
        "Ports": None,
        "Size": None,
        "StartedAt": int(status.started) if status.started else -62135596800,
        "State": status.state,
        "Status": status_text(status),
        "Created": int(container.created),
    }


def status_text(status: Status) -> str:
    """Return "Up 2 minutes", "Exited (0) 3 seconds ago" or "Created"."""
    from pod.cli.output import duration

    now = time.time()
    if status.state == "running":
        return f"Up {duration(now - status.started)}"
    if status.state == "restarting":
        return f"Restarting ({status.exit_code}) {duration(now - status.finished)} ago"
    if status.state == "exited":
        return f"Exited ({status.exit_code}) {duration(now - status.finished)} ago"
    return status.state.capitalize()
