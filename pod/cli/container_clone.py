"""`pod container clone`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument, Option

SHARED = ("pod.cli.flags.resources",)


def main(
    container: Annotated[str, Argument(metavar="CONTAINER", help="Name or ID of the original")],
    new_name: Annotated[str, Argument(metavar="[NAME]", help="The name of the copy")] = "",
    image: Annotated[str, Argument(metavar="[IMAGE]", help="Another image for the copy")] = "",
    destroy: Annotated[bool, Option("--destroy", help="Destroy the original container")] = False,
    force: Annotated[bool, Option("--force", "-f", help="Force the existing container to be destroyed")] = False,
    name: Annotated[str, Option("--name", metavar="string", help="Assign a name to the container")] = "",
    run: Annotated[bool, Option("--run", help="Run the new container")] = False,
    **flags: Any,
) -> None:
    """Clone an existing container."""
    from pod import state
    from pod.cli import flags as groups
    from pod.containers.clone import Changes, clone
    from pod.containers.launch import launch
    from pod.engine import open_engine
    from pod.errors import PodError
    from storage import images

    if new_name and name:
        raise PodError("cannot set --name and give a name as an argument", hint="leave out one of them")
    changes = Changes()
    groups.apply(SHARED, flags, changes)
    changes.name, changes.destroy, changes.force = name or new_name, destroy, force
    engine = open_engine(write=True)
    original = state.find_container(engine.connection, container)
    changes.image = images.resolve(engine.store, image) if image else None
    made = clone(engine, original, changes)
    if run:
        launched = launch(engine, made)
        launched.start()
        launched.detach()
    print(made.id)
