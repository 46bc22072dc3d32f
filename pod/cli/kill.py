"""`pod kill`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    containers: Annotated[list[str] | None, Argument(metavar="CONTAINER [CONTAINER...]", help="Names or IDs")] = None,
    all: Annotated[bool, Option("--all", "-a", help="Signal all running containers")] = False,
    cidfile: Annotated[
        list[str] | None, Option("--cidfile", metavar="stringArray", help="Read the container ID from the file")
    ] = None,
    filter: Annotated[
        list[str] | None, Option("--filter", "-f", metavar="strings", help="Filter output based on conditions given")
    ] = None,
    latest: Annotated[bool, Option("--latest", "-l", help="Act on the latest container pod is aware of")] = False,
    signal: Annotated[str, Option("--signal", "-s", metavar="string", help="Signal to send to the container")] = "KILL",
) -> int:
    """Kill one or more running containers with a specific signal."""
    from pod.cli import each
    from pod.containers import chooser, stop
    from pod.engine import open_engine
    from pod.values import parse_signal

    number = parse_signal(signal)
    names = containers or []
    engine = open_engine(write=True)
    words = chooser.chosen(
        engine,
        names,
        all=all,
        latest=latest,
        filters=filter,
        cidfiles=cidfile,
        of_all=lambda one: one.status.is_running,
    )
    return each.act(each.look_up(engine, words), lambda container: stop.kill(engine, container, number))
