"""`pod wait`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    containers: Annotated[list[str] | None, Argument(metavar="CONTAINER [CONTAINER...]", help="Names or IDs")] = None,
    ignore: Annotated[bool, Option("--ignore", help="Ignore if a container does not exist: print -1")] = False,
    interval: Annotated[
        str, Option("--interval", "-i", metavar="string", help="Accepted for compatibility: waiting needs no interval")
    ] = "",
) -> int:
    """Block on one or more containers and print their exit codes."""
    from pod import state
    from pod.cli import each
    from pod.containers import stop
    from pod.engine import open_engine
    from pod.errors import ContainerNotFoundError

    missing = '"pod wait" requires a name, id, or the "--latest" flag'
    names = each.required(containers or [], all=False, missing=missing)
    engine = open_engine(write=False)

    def wait(name: str) -> str:
        try:
            container = each.find(engine, name)
        except ContainerNotFoundError:
            kept = state.kept_exit_code(engine.connection, name)
            if kept is None and not ignore:
                raise
            return str(-1 if kept is None else kept)
        return str(stop.wait(engine, container))

    return each.run(names, wait)
