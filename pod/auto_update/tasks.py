"""Which containers are to be updated, by the units that they run in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pod import state
from pod.auto_update import policy
from pod.containers.listing import listed
from pod.errors import PodError
from pod.pods import rows

if TYPE_CHECKING:
    from pod.engine import Engine
    from pod.state import Container

# What `auto-update` says of a container.
UPDATED, CURRENT, PENDING, FAILED, ROLLED_BACK = "true", "false", "pending", "failed", "rolled back"


class Task:
    """A container, the image it has, and the unit that is restarted for a newer one."""

    __slots__ = ("authfile", "container_id", "container_name", "image", "image_name", "policy", "status", "unit")

    def __init__(self, *, unit: str, policy: str, image: str, image_name: str, container_id: str, name: str) -> None:
        self.unit = unit
        self.policy = policy
        self.image = image  # its ID: what a rollback goes back to
        self.image_name = image_name
        self.container_id = container_id
        self.container_name = name
        self.authfile = ""
        self.status = ""  # not known yet


def assemble(engine: Engine) -> tuple[dict[str, list[Task]], list[PodError]]:
    """Return the tasks of each unit, and what is wrong with containers that cannot be updated."""
    by_unit: dict[str, list[Task]] = {}
    errors: list[PodError] = []
    for one in listed(engine):
        if one.status.state != "running":
            continue
        try:
            task = _task(engine, one.container)
        except PodError as error:
            errors.append(error)
            continue
        if task is not None:
            by_unit.setdefault(task.unit, []).append(task)
    return by_unit, errors


def _task(engine: Engine, container: Container) -> Task | None:
    labels = container.config["labels"]
    wanted = policy.policy(labels.get(policy.LABEL, ""))
    if not wanted:
        return None
    unit = _unit(engine, container)
    if not unit:
        raise PodError(
            f'auto-updating container "{container.id}": no {policy.UNIT} label found',
            hint=f"it must be made by a unit of systemd that sets Environment={policy.UNIT}=%n, as quadlet's do",
        )
    image_name = container.config["image_name"]
    if not container.image or not image_name:
        raise PodError(f'locally auto-updating container "{container.id}": raw-image name is empty')
    task = Task(
        unit=unit,
        policy=wanted,
        image=container.image,
        image_name=image_name,
        container_id=container.id,
        name=container.name,
    )
    task.authfile = labels.get(policy.AUTHFILE_LABEL, "")
    return task


def _unit(engine: Engine, container: Container) -> str:
    """Return the unit that is restarted for a container, empty for none: of one in a pod, that of the pod."""
    pod_id = container.config["pod"]["id"]
    infra = rows.find(engine.connection, pod_id).infra if pod_id else ""
    asked = state.find_container(engine.connection, infra) if infra else container
    return str(asked.config["labels"].get(policy.UNIT, ""))
