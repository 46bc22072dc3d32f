"""What a pod is doing, derived from what its containers do at this moment, in podman's words."""

from __future__ import annotations

from pod.containers.status import observe as observe_container
from pod.pods import rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pod.containers.status import Status
    from pod.engine import Engine
    from pod.pods.rows import Pod
    from pod.state import Container

WORDS = ("Created", "Running", "Stopped", "Exited", "Dead", "Paused", "Degraded", "Error")


class Member:
    """A container of a pod, and what it does."""

    __slots__ = ("container", "status")

    def __init__(self, container: Container, status: Status) -> None:
        self.container = container
        self.status = status


class PodStatus:
    """The state of a pod at one moment."""

    __slots__ = ("members",)

    def __init__(self, members: list[Member]) -> None:
        self.members = members  # in the order of their creation

    @property
    def word(self) -> str:
        """The one word for it; containers that only run before the others do not count."""
        return word(one.status.state for one in self.members if not one.container.config["pod"]["init"])


def word(states: Iterable[str]) -> str:
    """Return the word for a pod whose containers are in these states."""
    kinds = [_KINDS.get(state, "Error") for state in states]
    if not kinds:
        return "Created"
    if "Running" in kinds:
        return "Running" if set(kinds) == {"Running"} else "Degraded"
    if set(kinds) == {"Paused"}:
        return "Paused"
    if "Exited" in kinds:
        return "Exited" if set(kinds) == {"Exited"} else "Stopped"
    return "Error" if "Error" in kinds else "Created"


_KINDS = {
    "created": "Created",
    "initialized": "Created",
    "running": "Running",
    "restarting": "Running",
    "paused": "Paused",
    "exited": "Exited",
}


def observe(engine: Engine, pod: Pod) -> PodStatus:
    """Look at the containers of a pod."""
    found = [Member(one, observe_container(engine.config, one.id)) for one in rows.members(engine.connection, pod.id)]
    if any(one.status.is_guess for one in found):
        from pod.containers.remains import lost

        found = [Member(one.container, lost.seen(engine.config, one.container.id)) for one in found]
    return PodStatus(found)
