"""`pod manifest exists`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument


def main(list: Annotated[str, Argument(metavar="LIST")]) -> int:
    """Tell by the exit code whether a manifest list is in local storage: 0 if so, else 1."""
    from pod.engine import open_engine
    from storage import lists
    from storage.errors import ImageNotFoundError, NoImageNameError

    try:
        lists.find(open_engine(write=False).store, list)
    except NoImageNameError:
        raise
    except ImageNotFoundError:
        return 1
    return 0
