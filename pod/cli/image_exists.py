"""`pod image exists`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument


def main(image: Annotated[str, Argument(metavar="IMAGE")]) -> int:
    """Tell by the exit code whether an image is in local storage: 0 if so, else 1."""
    from pod.engine import open_engine
    from storage import images
    from storage.errors import ImageNotFoundError, NoImageNameError

    store = open_engine(write=False).store
    try:
        images.find(store, image)
    except NoImageNameError:
        raise
    except ImageNotFoundError:
        return 1
    return 0
