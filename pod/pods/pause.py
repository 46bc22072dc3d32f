"""Stopping the processes of a pod's containers where they are, and letting them go on."""

from __future__ import annotations

from pod import events
from pod.containers import pause as containers
from pod.errors import PodError, StateError
from pod.pods.status import observe
from runtime.errors import OCIRuntimeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pod.engine import Engine
    from pod.pods.rows import Pod
    from pod.state import Container

    Failures = list[tuple[str, BaseException]]


def pause(engine: Engine, pod: Pod) -> Failures:
    """Pause those containers of a pod that run; return which of them failed, by ID, and why."""
    return _change(engine, pod, "pause", "running", containers.pause)


def unpause(engine: Engine, pod: Pod) -> Failures:
    """Let those containers of a pod that are paused go on; return which of them failed, by ID, and why."""
    return _change(engine, pod, "unpause", "paused", containers.unpause)


def is_paused(engine: Engine, pod: Pod) -> bool:
    """Tell whether any container of a pod is paused."""
    return any(one.status.state == "paused" for one in observe(engine, pod).members)


def _change(engine: Engine, pod: Pod, verb: str, state: str, action: Callable[[Engine, Container], None]) -> Failures:
    containers.check_supported(engine.config, verb)
    failures: Failures = []
    for member in observe(engine, pod).members:
        if member.status.state != state:
            continue
        try:
            action(engine, member.container)
        except StateError:
            continue  # another command was faster
        except (PodError, OCIRuntimeError, OSError) as error:
            failures.append((member.container.id, error))
    events.of_pod(engine.config, pod, verb)
    return failures
