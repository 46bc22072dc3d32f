"""`pod network reload`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    containers: Annotated[list[str] | None, Argument(metavar="[CONTAINER...]", help="Names or IDs")] = None,
    all: Annotated[bool, Option("--all", "-a", help="Reload network configuration of all containers")] = False,
    latest: Annotated[bool, Option("--latest", "-l", help="Act on the latest container pod is aware of")] = False,
) -> int:
    """Reload firewall rules for one or more containers."""
    from pod.cli import each
    from pod.containers.chooser import Choice
    from pod.engine import open_engine
    from pod.networks import reloading

    choice = Choice(containers, all=all, latest=latest)
    choice.check()
    engine = open_engine(write=True)
    chosen = [each.find(engine, word) for word in choice.words(engine)]
    if all:
        chosen = [one for one in chosen if reloading.can_reload(engine, one)]
    reloading.rebuild(engine)
    by_id = {one.id: one for one in chosen}

    def reload(identity: str) -> str:
        reloading.reload(engine, by_id[identity])
        return identity

    return each.run([one.id for one in chosen], reload)
