"""`pod network rm`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    networks: Annotated[list[str], Argument(metavar="NETWORK [NETWORK...]", help="Names or IDs")],
    force: Annotated[bool, Option("--force", "-f", help="Remove any containers using network")] = False,
    time: Annotated[
        int | None,
        Option("--time", "-t", metavar="int", min=-1, help="Seconds to wait for running containers to stop (with -f)"),
    ] = None,
) -> int:
    """Remove networks."""
    from pod.cli import each
    from pod.engine import open_engine
    from pod.errors import PodError
    from pod.networks import remove, rows

    if time is not None and not force:
        raise PodError("--force option must be specified to use the --time option")
    engine = open_engine(write=True)

    def delete(name: str) -> str:
        try:
            remove.remove(engine, name, force=force, timeout=time)
        except rows.NoSuchNetworkError as error:
            if force:
                return ""
            error.code = 1
            raise
        return name

    return each.run(networks, delete)
