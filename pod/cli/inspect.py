"""`pod inspect`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument, Option

    from pod.engine import Engine

_MISSING = {
    "all": 'no such object: "{}"',
    "container": 'no such container "{}"',
    "image": "{}: image not known",
    "volume": "no such volume {}",
}


def main(
    names: Annotated[
        list[str] | None, Argument(metavar="NAME [NAME...]", help="Names or IDs of containers, images, volumes")
    ] = None,
    format: Annotated[
        str, Option("--format", "-f", metavar="string", help="Format the output to a Go template or json")
    ] = "",
    size: Annotated[bool, Option("--size", "-s", help="Display total file size")] = False,
    type: Annotated[
        str,
        Option("--type", "-t", metavar="string", help="Specify inspect-object type (all, container, image, volume)"),
    ] = "all",
) -> int:
    """Display the configuration of object denoted by ID."""
    from pod.errors import PodError

    if type not in _MISSING:
        raise PodError(f'invalid type "{type}": must be "image", "container", "volume", or "all"')
    if not names:
        raise PodError("no names or ids specified")
    return show(names, kind=type, format=format, size=size)


def show(names: list[str], *, kind: str, format: str, size: bool) -> int:
    """Print what is known of objects; return 125 if one is not there, after printing the others."""
    from pod.cli import output
    from pod.engine import open_engine
    from pod.errors import PodError

    engine = open_engine(write=False)
    found, errors = [], []
    for name in names:
        described = describe(engine, name, kind, size=size)
        if described is None:
            errors.append(PodError(f"inspecting object: {_MISSING[kind].format(name)}"))
        else:
            found.append(described)
    output.print_inspected(found, format)
    return output.print_errors(errors)


def describe(engine: Engine, name: str, kind: str, *, size: bool) -> dict[str, Any] | None:
    """Return what is known of the object of this name, the first kind that has one."""
    from pod import state
    from pod.containers import inspect
    from pod.errors import ContainerNotFoundError, NoSuchVolumeError
    from storage.errors import ImageNotFoundError

    if kind in ("all", "container"):
        try:
            return inspect.inspect_container(engine, state.find_container(engine.connection, name), size=size)
        except ContainerNotFoundError:
            pass
    if kind in ("all", "image"):
        from pod.images import views as image_views
        from storage import images

        try:
            return image_views.inspect(engine.store, images.resolve(engine.store, name))
        except ImageNotFoundError:
            pass
    if kind in ("all", "volume"):
        try:
            return inspect.inspect_volume(engine, state.find_volume(engine.connection, name))
        except NoSuchVolumeError:
            pass
    return None
