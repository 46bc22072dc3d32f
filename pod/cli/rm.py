"""`pod rm`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument, Option

    from pod.state import Container

SHARED = ("pod.cli.flags.choice",)


def main(
    containers: Annotated[list[str] | None, Argument(metavar="CONTAINER [CONTAINER...]", help="Names or IDs")] = None,
    all: Annotated[bool, Option("--all", "-a", help="Remove all containers")] = False,
    depend: Annotated[
        bool, Option("--depend", help="Remove container and all containers that depend on the selected container")
    ] = False,
    filter: Annotated[
        list[str] | None, Option("--filter", metavar="strings", help="Filter output based on conditions given")
    ] = None,
    force: Annotated[bool, Option("--force", "-f", help="Force removal of a running or unusable container")] = False,
    ignore: Annotated[bool, Option("--ignore", "-i", help="Ignore errors when a container is missing")] = False,
    time: Annotated[
        int | None,
        Option(
            "--time", "-t", "--timeout", metavar="uint", min=0, help="Seconds to wait before the container is killed"
        ),
    ] = None,
    volumes: Annotated[
        bool, Option("--volumes", "-v", help="Remove anonymous volumes associated with the container")
    ] = False,
    **flags: Any,
) -> int:
    """Remove one or more containers."""
    from pod.cli import each
    from pod.cli import flags as groups
    from pod.containers import dependencies, remove
    from pod.containers.chooser import Choice
    from pod.engine import open_engine
    from pod.errors import ContainerNotFoundError, PodError

    choice = Choice(containers, all=all)
    groups.apply(SHARED, flags, choice)
    choice.filters = filter or ()
    choice.check()
    if time is not None and not force:
        raise PodError("--force option must be specified to use the --time option")
    engine = open_engine(write=True)
    try:
        found = each.chosen(engine, choice, ignore=ignore or force)
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
        if (all or depend) and container.config["pod"]["infra"]:
            from pod.pods.remove import remove_container  # with its pod
        else:
            from pod.containers.remove import remove_container
        remove_container(engine, container, force=force, volumes=volumes, timeout=time, warn=each.warn)

    if force and len(found) > 1:
        remove.stop_together(engine, [one.container for one in found], timeout=time, warn=each.warn)
    return each.act(found, delete)
