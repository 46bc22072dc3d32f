"""`pod container exists`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    container: Annotated[str, Argument(metavar="CONTAINER", help="Name or ID")],
    external: Annotated[
        bool, Option("--external", help="Check external storage containers as well (pod has none)")
    ] = False,
) -> int:
    """Check if a container exists in local storage."""
    from pod.cli import each
    from pod.engine import open_engine
    from pod.errors import ContainerNotFoundError

    try:
        each.find(open_engine(write=False), container.removeprefix("/"))
    except ContainerNotFoundError:
        return 1
    return 0
