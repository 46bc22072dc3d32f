"""Restarting a pod: its containers are stopped side by side, then started in their order."""

from __future__ import annotations

from pod import events
from pod.pods import exit_policy, start, stop
from pod.pods.status import observe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pod.engine import Engine
    from pod.pods.rows import Pod

    Failures = list[tuple[str, BaseException]]


def restart(engine: Engine, pod: Pod, *, warn: Callable[[str], None] | None = None) -> Failures:
    """Stop and start the containers of a pod; return which of them failed, by ID, and why.

    Those that are paused stay so. What is to run before the others is not run again: a `start` of the pod does that.
    """
    with exit_policy.held(engine, pod):
        living = [one for one in observe(engine, pod).members if one.status.is_running]
        ending = [one.container for one in living if one.status.state != "paused"]
        failures = stop.stop_together(engine, [one for one in ending if one.id != pod.infra], warn=warn)
        failures += stop.stop_together(engine, [one for one in ending if one.id == pod.infra])
        events.of_pod(engine.config, pod, "stop")
        return failures or start.start_held(engine, pod, init=False)
