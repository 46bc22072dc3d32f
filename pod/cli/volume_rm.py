"""`pod volume rm`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    volumes: Annotated[list[str] | None, Argument(metavar="VOLUME [VOLUME...]", help="Names")] = None,
    all: Annotated[bool, Option("--all", "-a", help="Remove all volumes")] = False,
    force: Annotated[bool, Option("--force", "-f", help="Remove a volume by force, even if it is being used")] = False,
    time: Annotated[
        int | None,
        Option("--time", "-t", metavar="int", min=-1, help="Seconds to wait for running containers to stop (with -f)"),
    ] = None,
) -> int:
    """Remove one or more volumes."""
    from pod import state
    from pod.cli import each
    from pod.containers import remove
    from pod.engine import open_engine
    from pod.errors import NoSuchVolumeError, PodError

    if bool(volumes) == all:
        raise PodError("choose either one or more volumes or all")
    if time is not None and not force:
        raise PodError("--force option must be specified to use the --time option")
    engine = open_engine(write=True)

    def delete(name: str) -> str:
        try:
            return remove.remove_volume(engine, name, force=force, timeout=time)
        except NoSuchVolumeError as error:
            if force:
                return ""
            error.code = 1
            raise

    return each.run([one.name for one in state.volumes(engine.connection)] if all else volumes or [], delete)
