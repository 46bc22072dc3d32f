"""`pod container cleanup`: what a monitor runs at the end of a container whose command is gone."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument


def main(
    containers: Annotated[list[str], Argument(metavar="CONTAINER [CONTAINER...]", help="Names or IDs")],
) -> int:
    """Remove what ended containers leave behind, and those that were to be removed at their end."""
    from pod.cli import each
    from pod.containers import remove, stop
    from pod.containers.status import observe
    from pod.engine import open_engine
    from pod.errors import ContainerNotFoundError

    engine = open_engine(write=True)

    def clean(name: str) -> str:
        try:
            container = each.find(engine, name)
        except ContainerNotFoundError:
            return ""  # another command was faster
        stop.settle(engine.config, container.id)
        if container.auto_remove and not observe(engine.config, container.id).is_running:
            remove.remove_container(engine, container, volumes=True)
        return name

    return each.run(containers, clean)
