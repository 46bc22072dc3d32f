"""`pod top`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option

INTERSPERSED = False


def main(
    words: Annotated[
        list[str] | None,
        Argument(
            metavar="CONTAINER [FORMAT-DESCRIPTORS|ARGS...]", help="A running container, and columns or ps options"
        ),
    ] = None,
    latest: Annotated[bool, Option("--latest", "-l", help="Act on the latest container")] = False,
    list_descriptors: Annotated[
        bool, Option("--list-descriptors", hidden=True, help="Only list the available descriptors")
    ] = False,
) -> int:
    """Display the running processes of a container."""
    import os

    from pod.cli import each, output
    from pod.containers import chooser
    from pod.containers.processes import top
    from pod.engine import open_engine
    from pod.errors import PodError

    if list_descriptors:
        output.write("".join(f"{name}\n" for name in sorted(top.COLUMNS)))
        return 0
    said = list(words or [])
    if not said and not latest:
        raise PodError("you must provide the name or id of a running container")
    # What is said of other users' processes takes being in the user's namespace.
    engine = open_engine(write=os.geteuid() != 0)
    if latest:
        container = chooser.newest(engine)
    else:
        try:
            container = each.find(engine, said.pop(0))
        except PodError as error:
            raise PodError(f"unable to look up requested container: {error}") from None
    if said[:1] == ["--"]:
        said.pop(0)
    wanted = [name for word in said for name in word.split(",") if name]
    view = top.View(engine, container)
    if all(map(top.is_descriptor, wanted)):
        rows = top.table(view, wanted or list(top.DEFAULT))
        output.print_table(rows[0], rows[1:])
        return 0
    from pod.cli import exec

    # As podman: what is no descriptor is for ps(1), which sees the container's processes only inside of it.
    return exec.main([container.id, "ps", *said]) or 0
