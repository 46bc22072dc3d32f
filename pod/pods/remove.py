"""Removing a pod: its containers, and then, in one commit, its infra container's row and its own."""

from __future__ import annotations

from pod import events, state
from pod.containers import dependencies, status, stop
from pod.containers import remove as containers
from pod.errors import ContainerNotFoundError, NoSuchPodError, PodError
from pod.lock import ContainerLock
from pod.pods import cgroup, rows
from runtime.errors import OCIRuntimeError
from storage import database, reserve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pod.engine import Engine
    from pod.pods.rows import Pod
    from pod.state import Container

    Warn = Callable[[str], None]

# How often others may put a container into a pod that is being removed.
_TRIES = 10


class _MembersError(PodError):
    """There are containers in the pod beside its infra container."""


class PodRunningError(PodError):
    """A container of the pod runs, and nobody said that it is to be stopped."""


def remove(
    engine: Engine, pod: Pod, *, force: bool = False, timeout: int | None = None, warn: Warn | None = None
) -> None:
    """Remove a pod with its containers; with `force` those that run are stopped first.

    Raises PodError if one runs and `force` is not said: then nothing is removed. NoSuchPodError if somebody was faster.
    """
    for left in range(_TRIES, -1, -1):
        _remove_members(engine, pod, force=force, timeout=timeout, warn=warn)
        try:
            _remove_itself(engine, pod)
        except _MembersError:
            if not left:
                raise
        else:
            events.of_pod(engine.config, pod, "remove")
            try:
                cgroup.remove(engine.config, pod)
            except (OCIRuntimeError, OSError):
                pass  # something is still ending in there: the next command that writes sweeps it
            return


def _remove_members(engine: Engine, pod: Pod, *, force: bool, timeout: int | None, warn: Warn | None) -> None:
    members = [one for one in rows.members(engine.connection, pod.id) if one.id != pod.infra]
    if not force:
        for container in members:
            if status.observe(engine.config, container.id).is_running:
                raise PodRunningError(
                    f"removing container {container.id} from pod {pod.id}: cannot remove container {container.id} as it"
                    " is running - running or paused containers cannot be removed without force: container state"
                    " improper",
                    hint="pod pod rm --force stops them first",
                )
    containers.stop_together(engine, members, timeout=timeout, warn=warn)
    for container in _dependants_first(engine, members):
        try:
            containers.remove_container(engine, container, force=force, volumes=True, timeout=timeout, warn=warn)
        except ContainerNotFoundError:
            continue  # somebody was faster


def _dependants_first(engine: Engine, members: list[Container]) -> list[Container]:
    by_id = {one.id: one for one in members}
    order = [key for one in members for key in dependencies.with_dependants(engine.connection, one.id)]
    return [by_id[key] for key in dict.fromkeys(order) if key in by_id]


def _remove_itself(engine: Engine, pod: Pod) -> None:
    infra = state.container(engine.connection, pod.infra) if pod.infra else None
    if infra is None:
        reserve.removing(engine.store, lambda: _forget(engine, pod, None))
        return
    with ContainerLock(engine.config, infra.id):
        _check_alone(engine, pod)  # before it is stopped
        stop.stop(engine, infra)
        containers.end_lost(engine, infra)
        volumes = reserve.removing(engine.store, lambda: _forget(engine, pod, infra))
        events.of_container(engine.config, infra, "remove")
        containers.delete_files(engine, infra.id)
    containers.discard_volumes(engine, volumes)


def _check_alone(engine: Engine, pod: Pod) -> None:
    """Raise _MembersError if there is any container in the pod but its infra container."""
    if any(one != pod.infra for one in rows.member_ids(engine.connection, pod.id)):
        raise _MembersError(f"pod {pod.id} has containers that were added while it was removed")


def _forget(engine: Engine, pod: Pod, infra: Container | None) -> list[str]:
    """Delete the rows of a pod and of its infra container in one commit; return the volumes that went."""
    with database.transaction(engine.connection):
        _check_alone(engine, pod)
        doomed = containers.forget_within(engine, infra, volumes=True) if infra is not None else []
        if not rows.delete(engine.connection, pod.id):
            raise NoSuchPodError(pod.id)
    return doomed or []


def remove_container(
    engine: Engine,
    container: Container,
    *,
    force: bool = False,
    volumes: bool = False,
    timeout: int | None = None,
    warn: Warn | None = None,
) -> None:
    """Remove a container as pod.containers.remove does; with an infra container goes its pod."""
    membership = container.config["pod"]
    if not membership["infra"]:
        containers.remove_container(engine, container, force=force, volumes=volumes, timeout=timeout, warn=warn)
        return
    try:
        remove(engine, rows.find(engine.connection, membership["id"]), force=force, timeout=timeout, warn=warn)
    except NoSuchPodError:
        return  # somebody was faster
