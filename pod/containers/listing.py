"""Which containers a list shows, and what it says of each."""

from __future__ import annotations

import time

from pod import state
from pod.containers.status import observe
from pod.errors import PodError, UsageError

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


def filtered(items: list[Listed], filters: list[str], engine: Engine) -> list[Listed]:
    """Return those that fit: filters of one key are alternatives, different keys must all fit."""
    by_key: dict[str, list[str]] = {}
    for text in filters:
        key, equals, value = text.partition("=")
        if not equals:
            raise PodError(f'invalid filter "{text}"', hint="a filter is written key=value")
        by_key.setdefault(key, []).append(value)
    for key, values in by_key.items():
        test = _test(key, values, items, engine)
        items = [item for item in items if test(item)]
    return items


def _test(key: str, values: list[str], items: list[Listed], engine: Engine) -> Callable[[Listed], bool]:
    simple: dict[str, Callable[[Listed, str], bool]] = {
        "id": lambda item, value: item.container.id.startswith(value),
        "name": _name_matches,
        "label": lambda item, value: _has_label(item.container.config["labels"], value),
        "label!": lambda item, value: not _has_label(item.container.config["labels"], value),
        "ancestor": lambda item, value: _descends(item, value),
        "volume": _mounts_volume,
    }
    if key in simple:
        test = simple[key]
        return lambda item: any(test(item, value) for value in values)
    if key == "status":
        return _status_test(values)
    if key == "exited":
        codes = [_number(value) for value in values]
        return lambda item: item.status.state == "exited" and item.status.exit_code in codes
    if key in ("before", "since"):
        moments = [state.find_container(engine.connection, value).created for value in values]
        if key == "before":
            return lambda item: item.container.created < min(moments)
        return lambda item: item.container.created > max(moments)
    if key == "until":
        from pod.times import parse_moment

        limit = min(parse_moment(value) for value in values) / 1e9
        return lambda item: item.container.created < limit
    raise PodError(f"{key} is an invalid filter", hint="known are " + ", ".join([*simple, *_OTHERS]))


_OTHERS = ("status", "exited", "before", "since", "until")
_STATES = ("created", "running", "paused", "exited", "stopped", "unknown", "initialized", "removing")


def _status_test(values: list[str]) -> Callable[[Listed], bool]:
    for value in values:
        if value not in _STATES:
            raise PodError(f"{value} is not a valid status", hint="known are " + ", ".join(_STATES))
    wanted = {"exited" if value == "stopped" else value for value in values}
    return lambda item: item.status.state in wanted


def _name_matches(item: Listed, pattern: str) -> bool:
    import re

    try:
        return re.search(pattern, item.container.name) is not None
    except re.error as error:
        raise PodError(f'invalid filter "name={pattern}": {error}') from error


def _has_label(labels: dict[str, str], text: str) -> bool:
    key, equals, value = text.partition("=")
    return key in labels and (not equals or labels[key] == value)


def _descends(item: Listed, text: str) -> bool:
    name = item.container.config["image_name"]
    without_tag = name.rpartition(":")[0]
    image = item.container.image
    return image.startswith(text) or any(one == text or one.endswith(f"/{text}") for one in (name, without_tag))


def _mounts_volume(item: Listed, text: str) -> bool:
    return any(text in (mount["source"], mount["target"]) for mount in item.container.config["mounts"])


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise PodError(f'invalid filter "exited={text}": not a number') from None


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
    if status.state == "exited":
        return f"Exited ({status.exit_code}) {duration(now - status.finished)} ago"
    return status.state.capitalize()
