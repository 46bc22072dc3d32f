"""The processes of a pod, container by container, in the columns of `top`."""

from __future__ import annotations

from pod.containers.processes import top
from pod.errors import PodError
from pod.pods.status import observe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.engine import Engine
    from pod.pods.rows import Pod


def rows(engine: Engine, pod: Pod, descriptors: list[str]) -> list[list[str]]:
    """Return the titles and a row for each process of the containers that run; nothing if none does.

    Containers that share a process namespace may see each other's processes: each is told of once.
    """
    titles: list[str] = []
    found: list[list[str]] = []
    told: set[int] = set()
    for member in observe(engine, pod).members:
        if member.status.state != "running":
            continue
        try:
            view = top.View(engine, member.container)
        except PodError:
            continue  # it has just ended
        view.processes = [one for one in view.processes if one.pid not in told]
        told.update(one.pid for one in view.processes)
        titles, *own = top.table(view, descriptors)
        found += own
    return [titles, *found] if titles else []
