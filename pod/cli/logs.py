"""`pod logs`."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option

    from pod.containers.logs.merging import Wanted
    from pod.containers.logs.reading import Line
    from pod.engine import Engine
    from pod.state import Container

# The colours of the containers, in podman's order.
_COLOURS = (37, 31, 33, 34, 35, 36, 32)
_SHORT = 12


def main(
    containers: Annotated[list[str] | None, Argument(metavar="CONTAINER [CONTAINER...]", help="Names or IDs")] = None,
    color: Annotated[bool, Option("--color", help="Output the containers with different colors in the log")] = False,
    follow: Annotated[bool, Option("--follow", "-f", help="Follow log output")] = False,
    latest: Annotated[bool, Option("--latest", "-l", help="Act on the latest container pod is aware of")] = False,
    names: Annotated[bool, Option("--names", "-n", help="Output the container name in the log")] = False,
    since: Annotated[
        str, Option("--since", metavar="string", help="Show logs since TIMESTAMP (RFC 3339, seconds, or 10m ago)")
    ] = "",
    tail: Annotated[
        int, Option("--tail", metavar="int", help="Output the specified number of LINES at the end of the logs")
    ] = -1,
    timestamps: Annotated[bool, Option("--timestamps", "-t", help="Output the timestamps in the log")] = False,
    until: Annotated[
        str, Option("--until", metavar="string", help="Show logs until TIMESTAMP (RFC 3339, seconds, or 10m from now)")
    ] = "",
) -> None:
    """Fetch the logs of one or more containers.

    Several logs are shown as one, by the time of their lines, each with the ID (or name) of its container.
    """
    from pod import state
    from pod.containers.chooser import Choice
    from pod.engine import open_engine

    choice = Choice(containers, latest=latest)
    choice.check("specify at least one container name or ID to log")
    wanted = wanted_lines(tail, since, until)
    engine = open_engine(write=False)
    found = [state.find_container(engine.connection, word) for word in choice.words(engine)]
    heads = [""] if len(found) == 1 else [head(one, names=names) for one in found]
    show(engine, found, wanted, Printer(heads, timestamps=timestamps, color=color, at_once=follow))


def show(engine: Engine, found: list[Container], wanted: Wanted, printer: Printer) -> None:
    """Print the logs of several containers as one. Raises PodError if one of them has none."""
    from pod.containers.logs import merging as log_merging

    for container in found:
        log_merging.check(container)
    read = log_merging.follow if printer.at_once else log_merging.read
    for number, line in read(engine, found, wanted):
        printer.show(number, line)
    for container in found:
        _warn(engine, container)


def wanted_lines(tail: int, since: str, until: str) -> Wanted:
    """Return which lines the flags ask for."""
    from pod.containers.logs.merging import Wanted
    from pod.times import parse_moment

    return Wanted(
        tail=None if tail < 0 else tail,
        since=parse_moment(since) if since else None,
        until=parse_moment(until, ahead=True) if until else None,
    )


def head(container: Container, *, names: bool) -> str:
    """Return what stands before the lines of a container where there are those of several."""
    return f"{container.name if names else container.id[:_SHORT]} "


def _warn(engine: Engine, container: Container) -> None:
    """Say what a full disk has kept from the log and what the log itself cannot say yet."""
    from pod.containers.logs.logged import missing

    lost = missing(engine.config, container.id)
    if lost:
        sys.stdout.flush()
        sys.stderr.write(
            f"warning: at least {lost} bytes of output of {container.name} are not in its log: disk full\n"
        )


class Printer:
    """Writes lines to the stream that they came from."""

    def __init__(self, heads: list[str], *, timestamps: bool, color: bool, at_once: bool) -> None:
        self.heads = [head.encode() for head in heads]
        self.at_once = at_once
        self.last = sys.stdout.buffer
        self.timestamps = timestamps
        self.color = color

    def show(self, number: int, line: Line) -> None:
        """Write a line, or as much of one as there is."""
        head = b""
        if not line.continued:
            head = self.heads[number]
            if self.timestamps:
                head += line.time.replace("+00:00", "Z").encode() + b" "
        text = head + line.text
        if self.color:
            text = b"\x1b[%dm%b\x1b[0m" % (_COLOURS[number % len(_COLOURS)], text)
        stream = sys.stderr.buffer if line.stream == "stderr" else sys.stdout.buffer
        if stream is not self.last:  # which both may go to one place, in their order
            self.last.flush()
            self.last = stream
        stream.write(text + (b"" if line.partial else b"\n"))
        if self.at_once:
            stream.flush()
