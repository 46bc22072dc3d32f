"""`pod pod prune`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option


def main(
    force: Annotated[bool, Option("--force", "-f", help="Do not prompt for confirmation")] = False,
) -> None:
    """Remove all stopped pods and their containers."""
    from pod import prune
    from pod.cli.asking import confirmed
    from pod.engine import open_engine

    if not force and not confirmed("WARNING! This will remove all stopped/exited pods.."):
        return
    for removed in prune.pods(open_engine(write=True)).removed:
        print(removed)
