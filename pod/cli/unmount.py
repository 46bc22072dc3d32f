"""`pod unmount`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    containers: Annotated[list[str] | None, Argument(metavar="CONTAINER [CONTAINER...]", help="Names or IDs")] = None,
    all: Annotated[bool, Option("--all", "-a", help="Unmount all of the currently mounted containers")] = False,
    force: Annotated[
        bool, Option("--force", "-f", help="Force the complete unmount of the specified mounted containers")
    ] = False,
    latest: Annotated[bool, Option("--latest", "-l", help="Act on the latest container pod is aware of")] = False,
) -> int:
    """Unmounts working container's root filesystem."""
    from pod.cli import each
    from pod.cli.mount import opened
    from pod.containers.chooser import Choice
    from pod.containers.tree import host_mounts

    engine = opened("unmount")
    choice = Choice(containers, all=all, latest=latest)
    names = choice.words(engine, of_all=lambda one: host_mounts.is_mounted(engine.config, one.container.id))

    def unmount(name: str) -> str:
        host_mounts.unmount(engine, each.find(engine, name), force=force)
        return name

    return each.run(names, unmount)
