"""`pod stop`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from concurrent.futures import Future
    from typing import Annotated

    from typer import Argument, Option

    from pod.engine import Engine


def main(
    containers: Annotated[list[str] | None, Argument(metavar="CONTAINER [CONTAINER...]", help="Names or IDs")] = None,
    all: Annotated[bool, Option("--all", "-a", help="Stop all running containers")] = False,
    cidfile: Annotated[
        list[str] | None, Option("--cidfile", metavar="stringArray", help="Read the container ID from the file")
    ] = None,
    ignore: Annotated[bool, Option("--ignore", "-i", help="Ignore errors when a container is missing")] = False,
    time: Annotated[
        int | None,
        Option(
            "--time", "-t", "--timeout", metavar="uint", min=0, help="Seconds to wait before the container is killed"
        ),
    ] = None,
) -> int:
    """Stop one or more containers."""
    from pod.cli import each
    from pod.containers import stop
    from pod.engine import open_engine
    from pod.errors import ContainerNotFoundError
    from pod.values import LONGEST_TIMEOUT

    names = each.required(each.with_files(containers or [], cidfile), all=all)
    engine = open_engine(write=True)
    timeout = None if time is None else min(time, LONGEST_TIMEOUT)
    if all:
        names = [one.id for one in each.running(engine)]
    begun = _begin_all(engine, names, timeout) if len(names) > 1 else {}

    def end(name: str) -> str:
        try:
            container = each.find(engine, name)
        except ContainerNotFoundError:
            if ignore:
                return ""
            raise
        if container.id in begun:
            begun[container.id].result()
        else:
            stop.stop(engine, container, timeout=timeout)
        return name

    return each.run(names, end)


def _begin_all(engine: Engine, names: list[str], timeout: int | None) -> dict[str, Future[bool]]:
    """Begin to stop several containers at once, each in a thread: together they take no longer than the slowest."""
    from concurrent.futures import ThreadPoolExecutor

    from pod.cli import each
    from pod.containers import stop
    from pod.errors import PodError

    begun: dict[str, Future[bool]] = {}
    pool = ThreadPoolExecutor(len(names))
    for name in names:
        try:
            container = each.find(engine, name)
        except PodError:
            continue  # which is told when it is this one's turn
        if container.id not in begun:
            begun[container.id] = pool.submit(stop.stop, engine, container, timeout=timeout)
    return begun
