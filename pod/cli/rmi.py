"""`pod rmi`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option

    from storage.images import Removed

NOT_FOUND = 1
IN_USE = 2


def main(
    images: Annotated[list[str] | None, Argument(metavar="IMAGE [IMAGE...]")] = None,
    all: Annotated[bool, Option("--all", "-a", help="Remove all images")] = False,
    force: Annotated[bool, Option("--force", "-f", help="Force Removal of the image")] = False,
    ignore: Annotated[bool, Option("--ignore", "-i", help="Ignore errors if a specified image does not exist")] = False,
    no_prune: Annotated[bool, Option("--no-prune", help="Do not remove dangling images")] = False,
) -> int:
    """Removes one or more previously pulled or locally created images."""
    from pod.cli.output import print_errors
    from pod.engine import open_engine
    from pod.errors import PodError
    from pod.images.removal import remove
    from storage import lists
    from storage.errors import ImageNotFoundError, NoImageNameError, StorageError
    from storage.images import list_images

    if not images and not all:
        raise PodError("image name or ID must be specified")
    if images and all:
        raise PodError("when using the --all switch, you may not pass any images names or IDs")
    engine = open_engine(write=True)
    removed: list[Removed] = []
    errors: list[StorageError | PodError] = []
    everything = [one.id for one in lists.every(engine.store)] if all else []
    for text in images or [*everything, *[image.id for image in list_images(engine.store) if not image.readonly]]:
        try:
            removed.append(remove(engine, text, force=force, all_names=all))
        except ImageNotFoundError as error:
            if not (ignore or force) or isinstance(error, NoImageNameError):
                errors.append(error)
        except (StorageError, PodError) as error:
            errors.append(error)
    print_removed(removed)
    print_errors(errors)
    return status([type(error) for error in errors])


def print_removed(removed: list[Removed]) -> None:
    """Tell which names were taken away, and which images are gone."""
    for one in removed:
        for name in one.untagged:
            print(f"Untagged: {name}")
    for one in removed:
        if one.deleted:
            print(f"Deleted: {one.deleted}")


def status(errors: list[type[Exception]]) -> int:
    """Return podman's exit status: 1 if all that failed were no images, 2 if some are in use, else 125."""
    from storage.errors import ImageInUseError, ImageNotFoundError

    if any(error not in (ImageNotFoundError, ImageInUseError) for error in errors):
        return 125
    return IN_USE if ImageInUseError in errors else NOT_FOUND if errors else 0
