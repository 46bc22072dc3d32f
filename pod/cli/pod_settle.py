"""`pod pod settle`: what a monitor runs at the end of a container whose pod may end with it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument


def main(
    pod: Annotated[str, Argument(metavar="POD", help="The ID of the pod")],
    container: Annotated[str, Argument(metavar="CONTAINER", help="The ID of the container that has ended")],
) -> None:
    """End a pod with its last container, if its exit policy wants that."""
    from pod import state
    from pod.containers.remains import cleanup
    from pod.engine import open_engine
    from pod.errors import ContainerNotFoundError
    from pod.pods import exit_policy
    from storage.errors import NoStoreError

    try:
        engine = open_engine(write=True, make=False)
    except NoStoreError:
        return  # reset, with the pod: it is not to come back for that
    try:
        cleanup.clean(engine, state.find_container(engine.connection, container))
    except ContainerNotFoundError:
        pass  # removed: another command was faster
    exit_policy.settle(engine, pod)
