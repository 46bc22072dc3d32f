"""`pod pod inspect`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    pods: Annotated[list[str] | None, Argument(metavar="POD [POD...]", help="Names or IDs")] = None,
    format: Annotated[
        str, Option("--format", "-f", metavar="string", help="Format the output to a Go template or json")
    ] = "",
    latest: Annotated[bool, Option("--latest", "-l", help="Act on the latest pod pod is aware of")] = False,
) -> int:
    """Display a pod configuration."""
    from pod.cli.inspect import show
    from pod.errors import PodError
    from pod.pods import chooser

    if latest and pods:
        raise PodError("--latest and arguments cannot be used together")
    if not pods and not latest:
        raise PodError(chooser.NONE_NAMED, hint="`pod pod ls` lists the pods")
    return show(pods or [], kind="pod", format=format, size=False, latest=latest)
