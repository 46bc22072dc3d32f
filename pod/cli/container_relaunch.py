"""`pod container relaunch`: what a monitor becomes to start its container again."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument


def main(
    container: Annotated[str, Argument(metavar="CONTAINER", help="The container's ID")],
    descriptor: Annotated[str, Argument(metavar="DESCRIPTOR", help="Where the monitor has left its state")],
) -> None:
    """Start a container again, as its restart policy wants; only its own monitor can do that."""
    from pod import state
    from pod.containers.relaunch import relaunch
    from pod.engine import open_engine
    from pod.errors import PodError
    from runtime.monitor.resuming import Resumed

    try:
        resumed = Resumed(int(descriptor))
    except (OSError, ValueError) as error:
        raise PodError(
            "only the monitor of a container can start it again", hint=f"write: pod start {container[:12]}"
        ) from error
    engine = open_engine(write=True, make=False)
    relaunch(engine, state.find_container(engine.connection, container), resumed)
