"""`pod container prune`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option


def main(
    filter: Annotated[
        list[str] | None,
        Option("--filter", metavar="stringArray", help="Provide filter values (e.g. 'label=<key>=<value>')"),
    ] = None,
    force: Annotated[bool, Option("--force", "-f", help="Do not prompt for confirmation")] = False,
) -> None:
    """Removes all non running containers."""
    from pod import prune
    from pod.cli.asking import confirmed
    from pod.engine import open_engine

    if not force and not confirmed("WARNING! This will remove all non running containers."):
        return
    for removed in prune.containers(open_engine(write=True), filter or []).removed:
        print(removed)
