"""`pod volume prune`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option

WARNING = (
    "WARNING! This will remove all volumes not used by at least one container. The following volumes will be removed:"
)


def main(
    all: Annotated[
        bool, Option("--all", "-a", help="Remove all unused volumes, not only anonymous ones (that is the default)")
    ] = False,
    filter: Annotated[
        list[str] | None,
        Option("--filter", metavar="stringArray", help="Provide filter values (e.g. 'label=<key>=<value>')"),
    ] = None,
    force: Annotated[bool, Option("--force", "-f", help="Do not prompt for confirmation")] = False,
) -> None:
    """Remove all unused volumes."""
    from pod import prune, state
    from pod.cli.asking import confirmed
    from pod.engine import open_engine

    engine = open_engine(write=True)
    if not force:
        unused = [
            volume.name
            for volume in state.volumes(engine.connection)
            if not state.volume_users(engine.connection, volume.name)
        ]
        if not unused:
            return
        if not confirmed("\n".join((WARNING, *unused))):
            return
    for name in prune.volumes(engine, filter or []).removed:
        print(name)
