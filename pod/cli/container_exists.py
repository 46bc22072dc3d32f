"""`pod container exists`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument


def main(
    container: Annotated[str, Argument(metavar="CONTAINER", help="Name or ID")],
) -> int:
    """Check if a container exists in local storage."""
    from pod.cli import each
    from pod.engine import open_engine
    from pod.errors import ContainerNotFoundError

    try:
        each.find(open_engine(write=False), container)
    except ContainerNotFoundError:
        return 1
    return 0
