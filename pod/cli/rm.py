"""`pod rm`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    containers: Annotated[list[str] | None, Argument(metavar="CONTAINER [CONTAINER...]", help="Names or IDs")] = None,
    all: Annotated[bool, Option("--all", "-a", help="Remove all containers")] = False,
    cidfile: Annotated[
        list[str] | None, Option("--cidfile", metavar="stringArray", help="Read the container ID from the file")
    ] = None,
    force: Annotated[bool, Option("--force", "-f", help="Force removal of a running container")] = False,
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
) -> int:
    """Remove one or more containers."""
    from pod.cli import each
    from pod.containers import remove
    from pod.engine import open_engine
    from pod.errors import ContainerNotFoundError
    from pod.values import LONGEST_TIMEOUT

    timeout = None if time is None else min(time, LONGEST_TIMEOUT)
    names = each.required(each.with_files(containers or [], cidfile), all=all, flags=ignore)
    engine = open_engine(write=True)

    def delete(name: str) -> str:
        try:
            container = each.find(engine, name)
        except ContainerNotFoundError as error:
            if ignore or force:
                return ""
            error.code = 1  # as podman's `rm`
            raise
        remove.remove_container(engine, container, force=force, volumes=volumes, timeout=timeout)
        return name

    return each.run([one.id for one in each.everything(engine)] if all else names, delete)
