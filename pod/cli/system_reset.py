"""`pod system reset`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option

WARNING = """WARNING! This will remove:
        - all containers
        - all pods
        - all images
        - all networks
        - all build cache
        - all volumes
        - the graphRoot directory: "{graphroot}"
        - the runRoot directory: "{runroot}\""""


def main(force: Annotated[bool, Option("--force", "-f", help="Do not prompt for confirmation")] = False) -> None:
    """Reset pod storage back to its initial state."""
    from pod import config, reset, settings
    from pod.cli.asking import confirmed
    from pod.engine import open_engine
    from storage import sqlite
    from storage.errors import StorageError

    found = config.load(settings.current)
    if not force and not confirmed(WARNING.format(graphroot=found.graphroot, runroot=found.runroot)):
        return
    try:
        engine = open_engine(write=True)
    except (StorageError, sqlite.Error):
        reset.wipe(found)  # its database is lost: this is what mends it
    else:
        reset.reset(engine)
