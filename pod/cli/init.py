"""`pod init`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option

    from pod.state import Container


def main(
    containers: Annotated[list[str] | None, Argument(metavar="CONTAINER [CONTAINER...]", help="Names or IDs")] = None,
    all: Annotated[bool, Option("--all", "-a", help="Initialize all containers")] = False,
    latest: Annotated[bool, Option("--latest", "-l", help="Act on the latest container pod is aware of")] = False,
) -> int:
    """Initialize one or more containers."""
    from pod.cli import each
    from pod.containers import launch
    from pod.containers.chooser import Choice
    from pod.engine import open_engine
    from pod.errors import StateError

    choice = Choice(containers, all=all, latest=latest)
    choice.check()
    engine = open_engine(write=True)
    found = each.chosen(engine, choice)

    def initialize(container: Container) -> None:
        try:
            launch.initialize(engine, container)
        except StateError:
            if not all:
                raise

    return each.act(found, initialize)
