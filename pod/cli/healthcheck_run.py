"""`pod healthcheck run`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    container: Annotated[str, Argument(metavar="CONTAINER", help="A name or an ID")],
    ignore_result: Annotated[bool, Option("--ignore-result", help="Exit with code 0 regardless of the result")] = False,
) -> int:
    """Run the health check of a container."""
    from pod.cli import each
    from pod.containers.health import run as health_run
    from pod.engine import open_engine

    engine = open_engine(write=True)
    status = health_run.run(engine, each.find(engine, container))
    if status != "healthy":
        print(status)
    return 0 if ignore_result or status == "healthy" else 1
