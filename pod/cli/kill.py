"""`pod kill`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument, Option

SHARED = ("pod.cli.flags.choice",)


def main(
    containers: Annotated[list[str] | None, Argument(metavar="CONTAINER [CONTAINER...]", help="Names or IDs")] = None,
    all: Annotated[bool, Option("--all", "-a", help="Signal all running containers")] = False,
    signal: Annotated[str, Option("--signal", "-s", metavar="string", help="Signal to send to the container")] = "KILL",
    **flags: Any,
) -> int:
    """Kill one or more running containers with a specific signal."""
    from pod.cli import each
    from pod.cli import flags as groups
    from pod.containers import stop
    from pod.containers.chooser import Choice
    from pod.engine import open_engine
    from pod.values import parse_signal

    number = parse_signal(signal)
    choice = Choice(containers, all=all)
    groups.apply(SHARED, flags, choice)
    engine = open_engine(write=True)
    found = each.chosen(engine, choice, of_all=lambda one: one.status.is_running)
    return each.act(found, lambda container: stop.kill(engine, container, number))
