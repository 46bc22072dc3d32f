"""Flags of `pod stop` and `pod rm` on which pods are left out, and how long containers have."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option

    from pod.cli.pods import Ending


def declare(
    ending: Ending,
    *,
    ignore: Annotated[bool, Option("--ignore", "-i", help="Ignore errors when a specified pod is missing")] = False,
    time: Annotated[
        int | None,
        Option(
            "--time", "-t", "--timeout", metavar="int", min=-1, help="Seconds to wait before the containers are killed"
        ),
    ] = None,
) -> None:
    """Note what is asked for."""
    ending.ignore, ending.timeout = ignore, time
