"""`pod stop`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from typing import Annotated, Any

    from typer import Argument, Option

    from pod.cli.each import Found
    from pod.state import Container

SHARED = ("pod.cli.flags.choice",)


def main(
    containers: Annotated[list[str] | None, Argument(metavar="CONTAINER [CONTAINER...]", help="Names or IDs")] = None,
    all: Annotated[bool, Option("--all", "-a", help="Stop all running containers")] = False,
    ignore: Annotated[bool, Option("--ignore", "-i", help="Ignore errors when a container is missing")] = False,
    time: Annotated[
        int | None,
        Option(
            "--time", "-t", "--timeout", metavar="uint", min=0, help="Seconds to wait before the container is killed"
        ),
    ] = None,
    **flags: Any,
) -> int:
    """Stop one or more containers."""
    from pod.cli import each
    from pod.cli import flags as groups
    from pod.containers import remove, stop
    from pod.containers.chooser import Choice
    from pod.engine import open_engine

    choice = Choice(containers, all=all)
    groups.apply(SHARED, flags, choice)
    engine = open_engine(write=True)
    found = each.chosen(engine, choice, of_all=lambda one: one.status.is_running, ignore=ignore)

    def end(container: Container) -> None:
        stop.stop(engine, container, timeout=time, warn=each.warn)
        remove.settle_lost(engine, container)

    if len(found) < 2:
        return each.act(found, end)
    begun = _begin_all(found, end)
    return each.act(found, lambda container: begun[container.id].result())


def _begin_all(found: list[Found], end: Callable[[Container], None]) -> dict[str, Future[None]]:
    """Begin to stop several containers at once, each in a thread: together they take no longer than the slowest."""
    from concurrent.futures import ThreadPoolExecutor

    by_id = {one.container.id: one.container for one in found}
    pool = ThreadPoolExecutor(len(by_id))
    return {identity: pool.submit(end, container) for identity, container in by_id.items()}
