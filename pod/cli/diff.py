"""`pod diff`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option

    from pod.containers.tree.diff import Change
    from pod.engine import Engine


def main(
    names: Annotated[
        list[str] | None,
        Argument(metavar="CONTAINER|IMAGE", help="A container, or an image and one to compare it with"),
    ] = None,
    format: Annotated[str, Option("--format", metavar="string", help="Change the output format (json)")] = "",
    latest: Annotated[bool, Option("--latest", "-l", help="Act on the latest container pod is aware of")] = False,
) -> None:
    """Display the changes to the object's file system."""
    show(names or [], format=format, latest=latest, kind="all")


def show(names: list[str], *, format: str, latest: bool, kind: str) -> None:
    """Print the changes of a container or image of the kind that is asked for.

    Raises PodError for flags that contradict each other, and as `find` does.
    """
    from pod.cli import output
    from pod.containers import chooser
    from pod.engine import open_engine
    from pod.errors import PodError

    if format not in ("", "json"):
        raise PodError("only supported value for '--format' is 'json'")
    if latest and names:
        raise PodError("--latest and containers cannot be used together")
    if not names and not latest:
        what = "image" if kind == "image" else "container"
        raise PodError(
            f"{what} must be specified: `pod diff` needs the name of {'an' if what == 'image' else 'a'} {what}"
        )
    if len(names) > 2:
        raise PodError("diff compares two objects at most", hint="leave out the further names")
    engine = open_engine(write=True)
    if latest:
        names = [chooser.newest(engine).id]
    found = find(engine, names, kind)
    if format:
        keys = (("changed", "C"), ("added", "A"), ("deleted", "D"))
        told = {key: [one.path for one in found if one.kind == letter] for key, letter in keys}
        output.write(output.to_json({key: paths for key, paths in told.items() if paths}, indent="     ") + "\n")
    else:
        output.write("".join(f"{one.kind} {one.path}\n" for one in found))


def find(engine: Engine, names: list[str], kind: str) -> list[Change]:
    """Return the changes of what the first name means: a container, else an image. Raises PodError if there is none."""
    from pod import state
    from pod.containers.tree import diff
    from pod.errors import ContainerNotFoundError, PodError
    from pod.images import changes_of
    from storage import images
    from storage.errors import ImageNotFoundError

    if kind != "image":
        try:
            container = state.find_container(engine.connection, names[0])
            if len(names) > 1:
                raise PodError("a container is compared with its own image only", hint="leave out the second name")
            return diff.changes(engine, container)
        except ContainerNotFoundError:
            if kind == "container":
                raise
    try:
        chosen = [images.resolve(engine.store, name) for name in names[:2]]
    except ImageNotFoundError as error:
        if kind == "image":
            raise
        raise PodError(f"{names[0]} not found: layer not known", hint="name a container or an image") from error
    return changes_of.changes(engine, *chosen)
