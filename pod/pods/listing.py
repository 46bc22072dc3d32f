"""Pods with what they do at this moment, which of them a list shows, and in which order."""

from __future__ import annotations

from pod import filters
from pod.errors import PodError
from pod.pods import cgroup, rows
from pod.pods.inspect import networks_of
from pod.pods.status import WORDS, observe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pod.engine import Engine
    from pod.pods.rows import Pod
    from pod.pods.status import PodStatus
    from pod.state import Container

    Test = Callable[["Listed"], bool]

SORTS = ("created", "id", "name", "number", "status")
_STATUSES = tuple(word.lower() for word in WORDS)
_CONTAINER_STATUSES = ("created", "running", "paused", "stopped", "exited", "unknown")


class Listed:
    """A pod and what it does at this moment."""

    __slots__ = ("cgroup", "networks", "pod", "status")

    def __init__(self, pod: Pod, status: PodStatus, networks: list[str], cgroup: str) -> None:
        self.pod = pod
        self.status = status
        self.networks = networks
        self.cgroup = cgroup  # the parent of its own

    @property
    def infra(self) -> Container | None:
        """The pod's infra container."""
        return next((one.container for one in self.status.members if one.container.id == self.pod.infra), None)


def listed(engine: Engine) -> list[Listed]:
    """Return all pods, the newest first."""
    found = []
    for pod in reversed(rows.everything(engine.connection)):
        one = Listed(pod, observe(engine, pod), [], cgroup.parent(engine.config, pod))
        if one.infra is not None:
            one.networks = networks_of(engine, one.infra)
        found.append(one)
    return found


def arranged(items: list[Listed], order: str) -> list[Listed]:
    """Return the pods in one of the orders of --sort. Raises PodError for one that there is not."""
    keys: dict[str, Callable[[Listed], Any]] = {
        "created": lambda item: -item.pod.created,
        "id": lambda item: item.pod.id,
        "name": lambda item: item.pod.name,
        "number": lambda item: len(item.status.members),
        "status": lambda item: item.status.word,
    }
    if order not in keys:
        raise PodError("invalid option for --sort, options are: created, id, name, number, or status")
    return sorted(items, key=keys[order])


def filtered(items: list[Listed], texts: list[str], engine: Engine) -> list[Listed]:
    """Return the pods that fit all filters. Raises PodError for a filter that makes no sense."""
    if not texts:
        return items
    return filters.select(items, filters.parse(texts), lambda key, values: _test(engine, key, values))


def _test(engine: Engine, key: str, values: list[str]) -> Test:
    """Return the test for all values of one key."""
    if key in _ALTERNATIVES:
        fits = _ALTERNATIVES[key]
        return lambda item: any(fits(item, value) for value in values)
    if key == "label":
        return lambda item: filters.has_labels(item.pod.config["labels"], values)
    if key == "label!":
        return lambda item: filters.lacks_labels(item.pod.config["labels"], values)
    if key == "until":
        limit = filters.until(values)
        return lambda item: item.pod.created < limit
    if key == "network":
        names = _network_names(engine, values)
        return lambda item: any(name in names for name in item.networks)
    if key in ("status", "ctr-status"):
        return _status(key, values)
    raise filters.unknown(key, [*_ALTERNATIVES, "label", "label!", "until", "network", "status", "ctr-status"])


def _status(key: str, values: list[str]) -> Test:
    known, what = (_STATUSES, "pod status") if key == "status" else (_CONTAINER_STATUSES, "status")
    for value in values:
        if value not in known:
            raise PodError(f"{value} is not a valid {what}", hint="known are " + ", ".join(known))
    if key == "status":
        return lambda item: item.status.word.lower() in values
    wanted = {"exited" if value == "stopped" else value for value in values}
    return lambda item: any(one.status.state in wanted for one in item.status.members)


def _network_names(engine: Engine, values: list[str]) -> set[str]:
    """Return the names of the networks that are meant by name or ID."""
    query = "SELECT name, id FROM network"
    return {row[0] for row in engine.connection.execute(query) if row[0] in values or row[1].startswith(tuple(values))}


def _is_id(identity: str, text: str) -> bool:
    if all(letter in "0123456789abcdef" for letter in text.lower()):
        return identity.startswith(text.lower())
    return filters.matches(text, identity)


_ALTERNATIVES: dict[str, Callable[[Listed, str], bool]] = {
    "ctr-ids": lambda item, value: any(_is_id(one.container.id, value) for one in item.status.members),
    "ctr-names": lambda item, value: any(filters.matches(value, one.container.name) for one in item.status.members),
    "ctr-number": lambda item, value: str(len(item.status.members)) == value,
    "id": lambda item, value: _is_id(item.pod.id, value),
    "name": lambda item, value: filters.matches(value, item.pod.name),
}
