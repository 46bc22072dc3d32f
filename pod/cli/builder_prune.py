"""`pod builder prune`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option

WARNING = "WARNING! This will remove all build cache."


def main(
    all: Annotated[bool, Option("--all", "-a", help="Remove all build cache: that is the default, too")] = False,
    filter: Annotated[
        list[str] | None,
        Option("--filter", metavar="stringArray", help="Provide filter values (e.g. 'until=24h': not used since)"),
    ] = None,
    force: Annotated[bool, Option("--force", "-f", help="Do not prompt for confirmation")] = False,
) -> None:
    """Remove build cache."""
    from pod import filters, prune
    from pod.cli import output
    from pod.cli.asking import confirmed
    from pod.engine import open_engine

    filters.prunable(filters.parse(filter or []))
    if not force and not confirmed(WARNING):
        return
    freed = prune.build_cache(open_engine(write=True), filter or []).freed
    output.write(f"Total reclaimed space: {output.human_size(freed)}\n")
