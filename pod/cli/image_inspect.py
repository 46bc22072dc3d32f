"""`pod image inspect`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    images: Annotated[list[str] | None, Argument(metavar="IMAGE [IMAGE...]")] = None,
    format: Annotated[
        str, Option("--format", "-f", metavar="string", help="Format the output to a Go template or json")
    ] = "json",
) -> int:
    """Displays the low-level information of an image identified by name or ID."""
    from pod.cli.output import is_json, print_errors, print_inspected
    from pod.engine import open_engine
    from pod.errors import PodError
    from pod.images.views import for_template, inspect
    from storage.errors import ImageNotFoundError
    from storage.images import resolve

    if not images:
        raise PodError("no names or ids specified", hint="name an image")
    store = open_engine(write=False).store
    found = []
    errors = []
    for text in images:
        try:
            told = inspect(store, resolve(store, text))
            found.append(told if not format or is_json(format) else for_template(told))
        except ImageNotFoundError as error:
            errors.append(PodError(f"inspecting object: {error}"))
    print_inspected(found, format)
    return print_errors(errors)
