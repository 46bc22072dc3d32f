"""`pod rename`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument


def main(
    container: Annotated[str, Argument(metavar="CONTAINER", help="Name or ID")],
    name: Annotated[str, Argument(metavar="NAME", help="The new name")],
) -> None:
    """Rename an existing container."""
    from pod.cli import each
    from pod.containers import renaming
    from pod.engine import open_engine

    engine = open_engine(write=True)
    renaming.rename(engine, each.look_up(engine, [container])[0].container, name.removeprefix("/"))
