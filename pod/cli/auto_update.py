"""`pod auto-update`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Option

    from pod.auto_update.tasks import Task

SHARED = ("pod.cli.flags.credentials:authfile", "pod.cli.flags.access:tls_verify")
_COLUMNS = ("Unit", "Container", "Image", "Policy", "Updated")


class Asked:
    """What the flags of the shared groups come to."""

    def __init__(self) -> None:
        self.registry: dict[str, Any] = {}


def main(
    dry_run: Annotated[bool, Option("--dry-run", help="Check for pending updates")] = False,
    format: Annotated[
        str, Option("--format", metavar="string", help="Change the output format to JSON or a Go template")
    ] = "",
    rollback: Annotated[bool, Option("--rollback", help="Rollback to previous image if update fails")] = True,
    **flags: Any,
) -> int:
    """Auto update containers according to their auto-update policy.

    Auto-update policies are specified with the "io.containers.autoupdate" label. Containers are expected to run in
    systemd units that create new containers in order to run the updated images, as those of quadlet do.
    """
    from pod.auto_update.updating import Updater
    from pod.cli import flags as groups
    from pod.cli import output
    from pod.cli.progress import display
    from pod.engine import open_engine

    asked = Asked()
    groups.apply(SHARED, flags, asked)
    with display() as shown:
        updater = Updater(open_engine(write=True), shown, registry=asked.registry, dry_run=dry_run, rollback=rollback)
        rows = [row(task) for task in updater.run()]
    if rows and format:
        output.print_rows(rows, format, entity="auto-update")
    elif rows:
        titles = [title.upper() for title in _COLUMNS]
        output.print_table(titles, [[one[name] for name in _COLUMNS] for one in rows])
    return output.print_errors(updater.errors)


def row(task: Task) -> dict[str, str]:
    """Return what templates may ask of a container."""
    return {
        "Unit": task.unit,
        "Container": f"{task.container_id[:12]} ({task.container_name})",
        "ContainerName": task.container_name,
        "ContainerID": task.container_id,
        "Image": task.image_name,
        "Policy": task.policy,
        "Updated": task.status,
    }
