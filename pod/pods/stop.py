"""Stopping a pod: its containers side by side, its infra container after them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from pod import events
from pod.containers import remove
from pod.containers.stop import stop as stop_container
from pod.errors import PodError
from pod.pods.status import observe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pod.engine import Engine
    from pod.pods.rows import Pod
    from pod.state import Container

    Failures = list[tuple[str, BaseException]]
    Warn = Callable[[str], None]


def stop(engine: Engine, pod: Pod, *, timeout: int | None = None, warn: Warn | None = None) -> Failures:
    """Stop those containers of a pod that run; return which of them failed, by ID, and why.

    `timeout` is the time in seconds that each has before it is killed.
    """
    living = [one.container for one in observe(engine, pod).members if one.status.is_running or one.status.pid]
    others = [one for one in living if one.id != pod.infra]
    failures = stop_together(engine, others, timeout=timeout, warn=warn)
    for container in living:
        if container.id == pod.infra:
            failures += stop_together(engine, [container], timeout=timeout, warn=warn)
    events.of_pod(engine.config, pod, "stop")
    return failures


def stop_together(
    engine: Engine, containers: list[Container], *, timeout: int | None = None, warn: Warn | None = None
) -> Failures:
    """Stop several containers: together they take as long as the slowest."""
    if not containers:
        return []

    def end(container: Container) -> None:
        stop_container(engine, container, timeout=timeout, warn=warn)

    failures: Failures = []
    with ThreadPoolExecutor(len(containers)) as pool:
        begun = [(one, pool.submit(end, one)) for one in containers]
        for container, future in begun:
            try:
                future.result()
                remove.settle_lost(engine, container)  # not in a thread of its own: it needs the database
            except (PodError, OSError) as error:
                failures.append((container.id, error))
    return failures
