"""Starting a pod: what is to run before the others, the infra container, and then the rest."""

from __future__ import annotations

from pod import events
from pod.containers import launch, remove, stop
from pod.errors import ContainerNotFoundError, PodError
from pod.pods import exit_policy, rows
from pod.pods.status import observe
from runtime.errors import OCIRuntimeError
from storage import database

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.engine import Engine
    from pod.pods.rows import Pod
    from pod.pods.status import Member
    from pod.state import Container

    Failures = list[tuple[str, BaseException]]


def start(engine: Engine, pod: Pod, *, init: bool = True) -> Failures:
    """Start those containers of a pod that do not run; return which of them failed, by ID, and why.

    With `init`, those that run before the others are waited for, one after the other: unless all end with 0, nothing
    else starts. Of several commands at once, one does it, and the others find it done.
    """
    with exit_policy.held(engine, pod):
        return start_held(engine, pod, init=init)


def start_held(engine: Engine, pod: Pod, *, init: bool) -> Failures:
    """Do what `start` does for a caller who holds the pod."""
    members = observe(engine, pod).members
    if not members:
        raise PodError(
            f"pod {pod.id} has no containers: no such container", hint=f"pod create --pod {pod.name} adds one"
        )
    if rows.has_departed(engine.connection, pod.id):
        with database.transaction(engine.connection):
            rows.begin(engine.connection, pod.id)
    waiting = [one for one in members if not one.status.is_running]
    failures: Failures = []
    if init:
        failures = _run_before(engine, [one.container for one in waiting if one.container.config["pod"]["init"]])
    if failures:
        return failures
    for member in _in_order(pod, waiting):
        try:
            launch.start_detached(engine, member.container)
        except ContainerNotFoundError:
            continue  # removed meanwhile
        except (PodError, OCIRuntimeError, OSError) as error:
            failures.append((member.container.id, error))
            if member.container.id == pod.infra:
                break  # the others would fail for the same reason
    events.of_pod(engine.config, pod, "start")
    return failures


def _in_order(pod: Pod, members: list[Member]) -> list[Member]:
    """Return whom to start, the infra container first; who needs others starts them itself."""
    others = [one for one in members if not one.container.config["pod"]["init"]]
    return sorted(others, key=lambda one: one.container.id != pod.infra)


def _run_before(engine: Engine, containers: list[Container]) -> Failures:
    """Run containers one after the other, each to its end; one that is to run once is removed after that."""
    for container in containers:
        try:
            launch.start_detached(engine, container)
            code = stop.wait(engine, container)
            if code:
                raise PodError(f"init container {container.id} exited with code {code}")
            if container.config["pod"]["init"] == "once":
                remove.remove_container(engine, container, volumes=False)
        except ContainerNotFoundError:
            continue  # another command has run it
        except (PodError, OCIRuntimeError, OSError) as error:
            return [(container.id, error)]
    return []
