"""`pod logs`."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Annotated

    from typer import Argument, Option

    from pod.containers.logs import Line
    from pod.engine import Engine


def main(
    containers: Annotated[list[str] | None, Argument(metavar="CONTAINER [CONTAINER...]", help="Names or IDs")] = None,
    follow: Annotated[bool, Option("--follow", "-f", help="Follow log output")] = False,
    names: Annotated[bool, Option("--names", "-n", help="Output the container name in the log")] = False,
    since: Annotated[
        str, Option("--since", metavar="string", help="Show logs since TIMESTAMP (RFC 3339, seconds, or 10m ago)")
    ] = "",
    tail: Annotated[
        int, Option("--tail", metavar="int", help="Output the specified number of LINES at the end of the logs")
    ] = -1,
    timestamps: Annotated[bool, Option("--timestamps", "-t", help="Output the timestamps in the log")] = False,
    until: Annotated[
        str, Option("--until", metavar="string", help="Show logs until TIMESTAMP (RFC 3339, seconds, or 10m ago)")
    ] = "",
) -> None:
    """Fetch the logs of one or more containers."""
    from pod.cli import each
    from pod.containers import logs
    from pod.engine import open_engine
    from pod.errors import PodError
    from pod.times import parse_moment

    names_given = each.required(containers or [], all=False, missing="specify at least one container name or ID to log")
    engine = open_engine(write=False)
    found = [each.find(engine, name) for name in names_given]
    if follow and len(found) > 1:
        raise PodError("logs -f can follow one container at a time")
    first = parse_moment(since) if since else None
    last = parse_moment(until) if until else None
    lines = None if tail < 0 else tail
    for container in found:
        if container.config["log_driver"] == "none":
            raise PodError(f"this container is using the 'none' log driver, cannot read logs: {container.name}")
        path = f"{engine.config.container_dir(container.id)}/ctr.log"
        prefix = f"{container.name if names else ''} " if names else ""
        if follow:
            found_lines = logs.follow(
                path,
                tail=lines,
                since=first,
                until=last,
                is_running=_watch(engine, container.id),
            )
        else:
            found_lines = logs.read(path, tail=lines, since=first, until=last)
        _print(found_lines, prefix=prefix, timestamps=timestamps)


def _watch(engine: Engine, container_id: str) -> Callable[[], bool]:
    """Tell whether more may come: while the container runs, and until its monitor has written the last of it."""
    from pod.containers.status import observe

    def is_running() -> bool:
        seen = observe(engine.config, container_id)
        return seen.is_running or seen.monitor_pid != 0

    return is_running


def _print(lines: Iterable[Line], *, prefix: str, timestamps: bool) -> None:
    out, err = sys.stdout.buffer, sys.stderr.buffer
    for line in lines:
        stream = err if line.stream == "stderr" else out
        head = b"" if line.continued else prefix.encode() + (line.time.encode() + b" " if timestamps else b"")
        stream.write(head + line.text + (b"" if line.partial else b"\n"))
        stream.flush()
