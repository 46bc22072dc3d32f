"""Flags that choose containers in place of their names."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option

    from pod.containers.chooser import Choice


def declare(
    choice: Choice,
    *,
    cidfile: Annotated[
        list[str] | None, Option("--cidfile", metavar="stringArray", help="Read the container ID from the file")
    ] = None,
    filter: Annotated[
        list[str] | None, Option("--filter", "-f", metavar="strings", help="Filter output based on conditions given")
    ] = None,
    latest: Annotated[bool, Option("--latest", "-l", help="Act on the latest container pod is aware of")] = False,
) -> None:
    """Note which containers are meant."""
    choice.cidfiles, choice.filters, choice.latest = cidfile or (), filter or (), latest
