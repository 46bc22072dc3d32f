"""`pod pause`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument, Option

SHARED = ("pod.cli.flags.choice",)


def main(
    containers: Annotated[list[str] | None, Argument(metavar="CONTAINER [CONTAINER...]", help="Names or IDs")] = None,
    all: Annotated[bool, Option("--all", "-a", help="Pause all running containers")] = False,
    latest: Annotated[bool, Option("--latest", "-l", help="Act on the latest container")] = False,
    **flags: Any,
) -> int:
    """Pause all the processes in one or more containers."""
    from pod.cli import flags as groups
    from pod.cli import pausing
    from pod.containers import pause
    from pod.containers.chooser import Choice

    choice = Choice(containers, all=all)
    groups.apply(SHARED, flags, choice)
    choice.latest = latest
    return pausing.change("pause", pause.pause, choice, state="running")
