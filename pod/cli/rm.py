"""`pod rm`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option

    from pod.state import Container


def main(
    containers: Annotated[list[str] | None, Argument(metavar="CONTAINER [CONTAINER...]", help="Names or IDs")] = None,
    all: Annotated[bool, Option("--all", "-a", help="Remove all containers")] = False,
    cidfile: Annotated[
        list[str] | None, Option("--cidfile", metavar="stringArray", help="Read the container ID from the file")
    ] = None,
    depend: Annotated[
        bool, Option("--depend", help="Remove container and all containers that depend on the selected container")
    ] = False,
    filter: Annotated[
        list[str] | None, Option("--filter", metavar="strings", help="Filter output based on conditions given")
    ] = None,
    force: Annotated[bool, Option("--force", "-f", help="Force removal of a running or unusable container")] = False,
    ignore: Annotated[bool, Option("--ignore", "-i", help="Ignore errors when a container is missing")] = False,
    latest: Annotated[bool, Option("--latest", "-l", help="Act on the latest container pod is aware of")] = False,
    time: Annotated[
        int | None,
        Option(
            "--time", "-t", "--timeout", metavar="uint", min=0, help="Seconds to wait before the container is killed"
        ),
    ] = None,
    volumes: Annotated[
        bool, Option("--volumes", "-v", help="Remove anonymous volumes associated with the container")
    ] = False,
) -> int:
    """Remove one or more containers."""
    from pod.cli import each
    from pod.containers import chooser, dependencies, remove
    from pod.engine import open_engine
    from pod.errors import ContainerNotFoundError, PodError
    from pod.values import LONGEST_TIMEOUT

    names = containers or []
    chooser.check(names, all=all, latest=latest, filters=filter, cidfiles=cidfile)
    if time is not None and not force:
        raise PodError("--force option must be specified to use the --time option")
    timeout = None if time is None else min(time, LONGEST_TIMEOUT)
    engine = open_engine(write=True)
    lenient = ignore or force
    words = chooser.chosen(
        engine, names, all=all, latest=latest, filters=filter, cidfiles=cidfile, ignore=lenient and bool(cidfile)
    )
    try:
        found = each.look_up(engine, words, ignore=lenient)
    except ContainerNotFoundError as error:
        error.code = 1  # as podman's `rm`
        raise
    if all or depend:
        words = [
            identity for one in found for identity in dependencies.with_dependants(engine.connection, one.container.id)
        ]
        told = {one.container.id: one for one in found}
        found = [told.get(identity) or each.look_up(engine, [identity])[0] for identity in dict.fromkeys(words)]

    def delete(container: Container) -> None:
        remove.remove_container(engine, container, force=force, volumes=volumes, timeout=timeout, warn=each.warn)

    if force and len(found) > 1:
        remove.stop_together(engine, [one.container for one in found], timeout=timeout, warn=each.warn)
    return each.act(found, delete)
