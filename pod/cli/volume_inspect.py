"""`pod volume inspect`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    volumes: Annotated[list[str] | None, Argument(metavar="VOLUME [VOLUME...]", help="Names")] = None,
    all: Annotated[bool, Option("--all", "-a", help="Inspect all volumes")] = False,
    format: Annotated[
        str, Option("--format", "-f", metavar="string", help="Format volume output using Go template")
    ] = "",
) -> int:
    """Display detailed information on one or more volumes."""
    from pod import state
    from pod.cli.inspect import show
    from pod.engine import open_engine
    from pod.errors import PodError

    if bool(volumes) == all:
        raise PodError("provide one or more volume names or use --all")
    names = [one.name for one in state.volumes(open_engine(write=False).connection)] if all else volumes or []
    return show(names, kind="volume", format=format, size=False)
