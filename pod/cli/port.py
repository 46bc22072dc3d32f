"""`pod port`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    words: Annotated[
        list[str] | None, Argument(metavar="[CONTAINER] [PORT[/PROTOCOL]]", help="Name or ID, and one of its ports")
    ] = None,
    all: Annotated[bool, Option("--all", "-a", help="Display port information for all containers")] = False,
    latest: Annotated[bool, Option("--latest", "-l", help="Act on the latest container pod is aware of")] = False,
) -> None:
    """List port mappings or a specific mapping for the container."""
    from pod.cli import each
    from pod.containers import ports
    from pod.containers.chooser import Choice
    from pod.containers.status import observe
    from pod.engine import open_engine
    from pod.errors import PodError

    said = words or []
    if len(said) > 2:
        raise PodError("`port` accepts at most 2 arguments")
    names, wanted = ([], said) if latest else (said[:1], said[1:])
    choice = Choice(names, all=all, latest=latest)
    choice.check("you must supply a running container name or id")
    port = ports.parse(wanted[0]) if wanted else None
    engine = open_engine(write=False)
    for one in each.chosen(engine, choice):
        if observe(engine.config, one.container.id).is_running:
            prefix = f"{one.container.id[:12]}\t" if all else ""
            for line in ports.lines(ports.published(engine.connection, one.container), port):
                print(prefix + line)
