"""Sending a signal to the containers of a pod."""

from __future__ import annotations

from pod import events
from pod.containers.stop import kill as kill_container
from pod.errors import PodError, StateError
from pod.pods.status import observe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.engine import Engine
    from pod.pods.rows import Pod

    Failures = list[tuple[str, BaseException]]


def kill(engine: Engine, pod: Pod, signal: int) -> Failures:
    """Send a signal to those containers of a pod that run, to its infra container last.

    Returns which of them failed, by ID, and why.
    """
    running = [one.container for one in observe(engine, pod).members if one.status.is_running]
    failures: Failures = []
    for container in sorted(running, key=lambda one: one.id == pod.infra):
        try:
            kill_container(engine, container, signal)
        except StateError:
            continue  # it has just ended
        except (PodError, OSError) as error:
            failures.append((container.id, error))
    events.of_pod(engine.config, pod, "kill")
    return failures
