"""`pod restart`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument, Option

SHARED = ("pod.cli.flags.choice",)


def main(
    containers: Annotated[list[str] | None, Argument(metavar="CONTAINER [CONTAINER...]", help="Names or IDs")] = None,
    all: Annotated[bool, Option("--all", "-a", help="Restart all containers, running or not")] = False,
    running: Annotated[bool, Option("--running", help="Restart only running containers")] = False,
    time: Annotated[
        int | None,
        Option(
            "--time", "-t", "--timeout", metavar="uint", min=0, help="Seconds to wait before the container is killed"
        ),
    ] = None,
    **flags: Any,
) -> int:
    """Restart one or more containers."""
    from pod.cli import each
    from pod.cli import flags as groups
    from pod.containers import launch
    from pod.containers.chooser import Choice
    from pod.engine import open_engine

    choice = Choice(containers, all=all)
    groups.apply(SHARED, flags, choice)
    choice.all = all or (running and not choice.names and not choice.latest)
    engine = open_engine(write=True)
    found = each.chosen(engine, choice)
    if running:
        living = {one.id for one in each.running(engine)}
        found = [one for one in found if one.container.id in living]
    return each.act(found, lambda container: launch.restart(engine, container, timeout=time, warn=each.warn))
