"""`pod stop`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    containers: Annotated[list[str] | None, Argument(metavar="CONTAINER [CONTAINER...]", help="Names or IDs")] = None,
    all: Annotated[bool, Option("--all", "-a", help="Stop all running containers")] = False,
    cidfile: Annotated[
        list[str] | None, Option("--cidfile", metavar="stringArray", help="Read the container ID from the file")
    ] = None,
    ignore: Annotated[bool, Option("--ignore", "-i", help="Ignore errors when a container is missing")] = False,
    time: Annotated[
        int | None,
        Option(
            "--time", "-t", "--timeout", metavar="uint", min=0, help="Seconds to wait before the container is killed"
        ),
    ] = None,
) -> int:
    """Stop one or more containers."""
    from pod import stop
    from pod.cli import each
    from pod.engine import open_engine
    from pod.errors import ContainerNotFoundError

    names = each.required(each.with_files(containers or [], cidfile), all=all)
    engine = open_engine(write=True)

    def end(name: str) -> str:
        try:
            container = each.find(engine, name)
        except ContainerNotFoundError:
            if ignore:
                return ""
            raise
        stop.stop(engine, container, timeout=time)
        return name

    return each.run([one.id for one in each.running(engine)] if all else names, end)
