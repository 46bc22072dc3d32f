"""`pod kill`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    containers: Annotated[list[str] | None, Argument(metavar="CONTAINER [CONTAINER...]", help="Names or IDs")] = None,
    all: Annotated[bool, Option("--all", "-a", help="Signal all running containers")] = False,
    cidfile: Annotated[
        list[str] | None, Option("--cidfile", metavar="stringArray", help="Read the container ID from the file")
    ] = None,
    signal: Annotated[str, Option("--signal", "-s", metavar="string", help="Signal to send to the container")] = "KILL",
) -> int:
    """Kill one or more running containers with a specific signal."""
    from pod.cli import each
    from pod.containers import stop
    from pod.engine import open_engine
    from pod.values import parse_signal

    number = parse_signal(signal)
    names = each.required(each.with_files(containers or [], cidfile), all=all)
    engine = open_engine(write=True)

    def send(name: str) -> str:
        stop.kill(engine, each.find(engine, name), number)
        return name

    return each.run([one.id for one in each.running(engine)] if all else names, send)
