"""`pod network prune`."""

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
    """Remove unused networks."""
    from pod.cli.asking import confirmed
    from pod.engine import open_engine
    from pod.networks import remove

    if not force and not confirmed("WARNING! This will remove all networks not used by at least one container."):
        return
    for name in remove.prune(open_engine(write=True), filter or []):
        print(name)
