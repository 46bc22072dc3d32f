"""What follows the end of a pod's last container: with --exit-policy stop the end of the pod.

Whoever sees to the end of a container asks for it here: the command that is attached to it, else what its monitor
becomes (`pod pod settle`). While a pod is held, by a command that starts its containers one after the other, nobody
ends it; that command looks when it is done.
"""

from __future__ import annotations

import contextlib

from pod import events, state
from pod.errors import NoSuchPodError
from pod.lock import ContainerLock, PodLock
from pod.pods import rows
from pod.pods.status import observe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pod.engine import Engine
    from pod.pods.rows import Pod
    from pod.state import Container

# A container in one of these states has not ended: as podman has it, also one that was never started.
_ALIVE = ("created", "initialized", "running", "paused", "restarting")
# The pods that this process must not end now, and whether one of their containers has ended since.
_held: dict[str, bool] = {}


@contextlib.contextmanager
def held(engine: Engine, pod: Pod) -> Iterator[None]:
    """Hold a pod while its containers are started; at the end do what the ends of some ask for."""
    with PodLock(engine.config, pod.id):
        _held[pod.id] = False
        try:
            yield
        finally:
            has_ended = _held.pop(pod.id)
    if has_ended:
        settle(engine, pod.id)


@contextlib.contextmanager
def postponed(pod_id: str) -> Iterator[None]:
    """Let this process not end a pod meanwhile: it has the lock of a container that it is about to start there.

    That one's end asks again.
    """
    if pod_id in _held:
        yield
        return
    _held[pod_id] = False
    try:
        yield
    finally:
        del _held[pod_id]


def concerns(engine: Engine, container: Container) -> bool:
    """Tell whether the end of a container may be that of its pod."""
    membership = container.config["pod"]
    if not membership["id"] or membership["infra"] or membership["init"]:
        return False
    try:
        return _ends(rows.find(engine.connection, membership["id"]))
    except NoSuchPodError:
        return False


def settle_after(engine: Engine, container: Container) -> None:
    """Do what the end of a container asks for."""
    if concerns(engine, container):
        settle(engine, container.config["pod"]["id"])


def settle(engine: Engine, pod_id: str) -> None:
    """At the end of a container: end its pod, if its policy wants that and nothing else in it lives."""
    if pod_id in _held:
        _held[pod_id] = True
        return
    try:
        pod = rows.find(engine.connection, pod_id)
    except NoSuchPodError:
        return
    if _ends(pod) and _is_idle(engine, pod):
        _end(engine, pod)


def settle_all(engine: Engine) -> None:
    """Do what those should have done who were killed before they came to it; leave pods alone that somebody changes."""
    for pod in rows.everything(engine.connection):
        has_had = rows.has_departed(engine.connection, pod.id) or len(rows.member_ids(engine.connection, pod.id)) > 1
        if _ends(pod) and has_had and _is_idle(engine, pod):
            with contextlib.suppress(BlockingIOError):
                _end(engine, pod, wait=False)


def _ends(pod: Pod) -> bool:
    return bool(pod.infra) and pod.config["exit_policy"] == "stop"


def _is_idle(engine: Engine, pod: Pod) -> bool:
    """Tell whether the infra container is the only one that lives."""
    members = observe(engine, pod).members
    if not any(one.container.id == pod.infra and one.status.is_running for one in members):
        return False
    return not any(one.status.state in _ALIVE for one in members if one.container.id != pod.infra)


def _end(engine: Engine, pod: Pod, *, wait: bool = True) -> None:
    """Stop the infra container if it still is the only one that lives when nobody can start another."""
    with contextlib.ExitStack() as locks:
        locks.enter_context(PodLock(engine.config, pod.id, wait=wait))
        # In the order in which one that is started takes them: its own, then those of whom it needs.
        for container in reversed(rows.members(engine.connection, pod.id)):
            if container.id != pod.infra:
                locks.enter_context(ContainerLock(engine.config, container.id, wait=wait))
        locks.enter_context(ContainerLock(engine.config, pod.infra, wait=wait))
        if not rows.has(engine.connection, pod.id) or not _is_idle(engine, pod):
            return
        from pod.containers import stop

        stop.stop(engine, state.find_container(engine.connection, pod.infra))
    events.of_pod(engine.config, pod, "stop")
