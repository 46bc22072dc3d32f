"""`pod volume exists`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument


def main(
    volume: Annotated[str, Argument(metavar="VOLUME", help="The name")],
) -> int:
    """Check if a volume exists."""
    from pod import state
    from pod.engine import open_engine
    from pod.errors import NoSuchVolumeError

    try:
        found = state.find_volume(open_engine(write=False).connection, volume)
    except NoSuchVolumeError:
        return 1
    return 0 if found.name == volume else 1
