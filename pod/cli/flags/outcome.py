"""Flags on what a build gives."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option

    from pod.cli.building import Asked


def declare(
    target: Asked,
    *,
    output: Annotated[
        list[str] | None,
        Option(
            "--output", "-o", metavar="string", help="Write the image's files, too (type=local|tar,dest=path, or -)"
        ),
    ] = None,
    rewrite_timestamp: Annotated[
        bool, Option("--rewrite-timestamp", help="Let no new file be later than --source-date-epoch")
    ] = False,
    source_date_epoch: Annotated[
        str,
        Option("--source-date-epoch", metavar="seconds", help="When the image says that it was made, since 1970"),
    ] = "",
    timestamp: Annotated[
        str,
        Option("--timestamp", metavar="seconds", help="The same, and the time of all new files"),
    ] = "",
) -> None:
    """Note what is asked for."""
    target.outcome.outputs = output or []
    target.outcome.rewrite_timestamp = rewrite_timestamp
    target.outcome.source_date_epoch, target.outcome.timestamp = source_date_epoch, timestamp
