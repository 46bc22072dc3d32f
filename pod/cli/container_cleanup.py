"""`pod container cleanup`: what a monitor runs at the end of a container whose command is gone."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    containers: Annotated[list[str] | None, Argument(metavar="CONTAINER [CONTAINER...]", help="Names or IDs")] = None,
    all: Annotated[bool, Option("--all", "-a", help="Cleans up all containers")] = False,
    exec: Annotated[
        str, Option("--exec", metavar="string", help="Clean up the given exec session instead of the container")
    ] = "",
    latest: Annotated[bool, Option("--latest", "-l", help="Act on the latest container pod is aware of")] = False,
    rm: Annotated[bool, Option("--rm", help="After cleanup, remove the container entirely")] = False,
    rmi: Annotated[bool, Option("--rmi", help="After cleanup, remove the image entirely")] = False,
) -> int:
    """Remove what ended containers leave behind, and those that were to be removed at their end."""
    from pod.cli import each
    from pod.containers.chooser import Choice
    from pod.containers.remains import cleanup
    from pod.engine import open_engine
    from pod.errors import ContainerNotFoundError, PodError
    from storage.errors import NoStoreError

    if exec and (all or latest or rm or rmi or len(containers or []) != 1):
        raise PodError("exec sessions are cleaned up one at a time, by --exec SESSION CONTAINER")
    try:
        engine = open_engine(write=True, make=False)
    except NoStoreError:
        return 0  # reset, with the container: it is not to come back for that
    names = Choice(containers, all=all, latest=latest).words(engine)

    def clean(name: str) -> str:
        try:
            container = each.find(engine, name)
        except ContainerNotFoundError:
            return ""  # another command was faster
        if exec:
            cleanup.clean_session(engine, exec)
        else:
            cleanup.clean(engine, container, remove_it=rm, remove_image=rmi)
        return name

    return each.run(names, clean)
