"""`pod manifest rm`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option

    from storage.images import Removed


def main(
    names: Annotated[list[str], Argument(metavar="LIST [LIST...]")],
    ignore: Annotated[bool, Option("--ignore", "-i", help="Ignore errors if a specified list does not exist")] = False,
) -> int:
    """Remove manifest list or image index from local storage."""
    from pod.cli import rmi
    from pod.cli.output import print_errors
    from pod.engine import open_engine
    from pod.errors import PodError
    from pod.images.removal import remove_list
    from storage import lists
    from storage.errors import ImageNotFoundError, StorageError

    engine = open_engine(write=True)
    removed: list[Removed] = []
    errors: list[StorageError | PodError] = []
    for name in names:
        try:
            removed.append(remove_list(engine, *lists.meant(engine.store, name), force=False))
        except (StorageError, PodError) as error:
            if not (ignore and isinstance(error, ImageNotFoundError)):
                errors.append(error)
    rmi.print_removed(removed)
    print_errors(errors)
    return rmi.status([type(error) for error in errors])
