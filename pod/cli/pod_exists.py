"""`pod pod exists`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument


def main(pod: Annotated[str, Argument(metavar="POD", help="Name or ID")]) -> int:
    """Check if a pod exists in local storage."""
    from pod.engine import open_engine
    from pod.errors import NoSuchPodError
    from pod.pods import rows

    try:
        rows.find(open_engine(write=False).connection, pod)
    except NoSuchPodError:
        return 1
    return 0
