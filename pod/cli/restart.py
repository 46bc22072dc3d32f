"""`pod restart`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    containers: Annotated[list[str] | None, Argument(metavar="CONTAINER [CONTAINER...]", help="Names or IDs")] = None,
    all: Annotated[bool, Option("--all", "-a", help="Restart all containers, running or not")] = False,
    cidfile: Annotated[
        list[str] | None, Option("--cidfile", metavar="stringArray", help="Read the container ID from the file")
    ] = None,
    filter: Annotated[
        list[str] | None, Option("--filter", "-f", metavar="strings", help="Filter output based on conditions given")
    ] = None,
    latest: Annotated[bool, Option("--latest", "-l", help="Act on the latest container pod is aware of")] = False,
    running: Annotated[bool, Option("--running", help="Restart only running containers")] = False,
    time: Annotated[
        int | None,
        Option(
            "--time", "-t", "--timeout", metavar="uint", min=0, help="Seconds to wait before the container is killed"
        ),
    ] = None,
) -> int:
    """Restart one or more containers."""
    from pod.cli import each
    from pod.containers import chooser, launch
    from pod.engine import open_engine
    from pod.values import LONGEST_TIMEOUT

    names = containers or []
    engine = open_engine(write=True)
    timeout = None if time is None else min(time, LONGEST_TIMEOUT)
    every = all or (running and not names and not latest)
    words = chooser.chosen(engine, names, all=every, latest=latest, filters=filter, cidfiles=cidfile)
    found = each.look_up(engine, words)
    if running:
        living = {one.id for one in each.running(engine)}
        found = [one for one in found if one.container.id in living]
    return each.act(found, lambda container: launch.restart(engine, container, timeout=timeout, warn=each.warn))
