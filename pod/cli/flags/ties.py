"""Flags on what the container is tied to: streams of the command, and other containers."""

from __future__ import annotations

from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option

    from pod.cli.flags.request import Request

STREAMS = ("stdin", "stdout", "stderr")


def declare(
    request: Request,
    *,
    attach: Annotated[
        list[str] | None, Option("--attach", "-a", metavar="strings", help="Attach to STDIN, STDOUT or STDERR")
    ] = None,
    requires: Annotated[
        list[str] | None,
        Option(
            "--requires", metavar="strings", help="Add one or more requirement containers that must be started before"
        ),
    ] = None,
) -> None:
    """Note what is asked for. Raises PodError for what makes no sense."""
    streams = [stream.lower() for text in attach or [] for stream in text.split(",")]
    for stream in streams:
        if stream not in STREAMS:
            raise PodError(
                f'invalid stream "{stream}" for --attach - must be one of stdin, stdout, or stderr: invalid argument'
            )
    if attach is not None:
        request.attach = frozenset(streams)
        request.stdin = request.stdin or "stdin" in streams
    request.requires = [name for text in requires or [] for name in text.split(",")]
