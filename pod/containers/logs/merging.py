"""The logs of several containers as one, by the time of their lines; and of one, wherever its driver keeps it."""

from __future__ import annotations

import time

from pod.containers.logs import logged
from pod.containers.logs import reading as logs
from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pod.containers.logs.reading import Line
    from pod.engine import Engine
    from pod.state import Container

    Numbered = tuple[int, Line]


class Wanted:
    """Which lines are wanted of each container."""

    __slots__ = ("since", "tail", "until")

    def __init__(self, *, tail: int | None = None, since: int | None = None, until: int | None = None) -> None:
        self.tail = tail
        self.since = since
        self.until = until


def check(container: Container) -> None:
    """Raise PodError if the container's output is kept nowhere."""
    driver = container.config["log_driver"]
    if driver in ("none", "passthrough"):
        raise PodError(
            f"this container is using the '{driver}' log driver, cannot read logs: "
            "this container is not logging output",
            hint="a container's log driver is chosen when it is created: --log-driver k8s-file",
        )


def read(engine: Engine, containers: Sequence[Container], wanted: Wanted) -> Iterator[Numbered]:
    """Give what the logs hold, each line with the number of its container."""
    found = [_numbered(number, _read(engine, one, wanted)) for number, one in enumerate(containers)]
    return _merged(found)


def follow(engine: Engine, containers: Sequence[Container], wanted: Wanted) -> Iterator[Numbered]:
    """Give what the logs hold and what is added, until all the containers have ended."""
    if any(one.config["log_driver"] == "journald" for one in containers):
        yield from _follow_journal(engine, containers, wanted)
        return
    from pod.watch import Watch

    watch = Watch(output=1)
    readers: dict[int, logs.Reader] = {}
    try:
        for number, one in enumerate(containers):
            path = logged.path(engine, one)
            readers[number] = logs.Reader(path, tail=wanted.tail, since=wanted.since, until=wanted.until)
        running = {number: _running(engine, one.id) for number, one in enumerate(containers)}
        while readers:
            timely = wanted.until is None or time.time_ns() <= wanted.until
            ended = [number for number in readers if not (timely and running[number]())]
            for reader in readers.values():
                reader.wake(watch)
            yield from _merged([_numbered(number, one.news()) for number, one in readers.items()])
            for number in ended:
                readers.pop(number).close()
            if readers:
                watch.wait(logs.PAUSE, blind=not all(reader.is_watched for reader in readers.values()))
    finally:
        watch.close()
        for reader in readers.values():
            reader.close()


def _read(engine: Engine, container: Container, wanted: Wanted) -> Iterator[Line]:
    if container.config["log_driver"] == "journald":
        from pod import journal_reading

        return journal_reading.lines(container.id, tail=wanted.tail, since=wanted.since, until=wanted.until)
    path = logged.path(engine, container)
    return logs.read(path, tail=wanted.tail, since=wanted.since, until=wanted.until)


def _numbered(number: int, lines: Iterable[Line]) -> Iterator[Numbered]:
    for line in lines:
        yield number, line


def _merged(found: list[Iterator[Numbered]]) -> Iterator[Numbered]:
    """Give the lines of several logs, of which each is in the order of time, as one that is too."""
    if len(found) == 1:
        return found[0]
    from heapq import merge

    return merge(*found, key=_moment)


def _moment(numbered: Numbered) -> str:
    return numbered[1].time


def _running(engine: Engine, container_id: str) -> Callable[[], bool]:
    """Tell whether more may come: while the container runs, and until its monitor has written the last of it."""
    from pod.containers.status import observe

    def is_running() -> bool:
        seen = observe(engine.config, container_id)
        return seen.is_running or seen.monitor_pid != 0

    return is_running


def _follow_journal(engine: Engine, containers: Sequence[Container], wanted: Wanted) -> Iterator[Numbered]:
    """Follow logs of which some are in the journal: each in a thread of its own."""
    import queue
    import threading

    lines: queue.SimpleQueue[Numbered | BaseException | None] = queue.SimpleQueue()

    def read_one(number: int, container: Container) -> None:
        try:
            for line in _follow_one(engine, container, wanted):
                lines.put((number, line))
        except BaseException as error:
            lines.put(error)
        else:
            lines.put(None)

    for number, one in enumerate(containers):
        threading.Thread(target=read_one, args=(number, one), daemon=True).start()
    left = len(containers)
    while left:
        found = lines.get()
        if isinstance(found, BaseException):
            raise found
        if found is None:
            left -= 1
        else:
            yield found


def _follow_one(engine: Engine, container: Container, wanted: Wanted) -> Iterator[Line]:
    running = _running(engine, container.id)
    if container.config["log_driver"] == "journald":
        from pod import journal_reading

        return journal_reading.lines(
            container.id, tail=wanted.tail, since=wanted.since, until=wanted.until, is_running=running
        )
    path = logged.path(engine, container)
    return logs.follow(path, tail=wanted.tail, since=wanted.since, until=wanted.until, is_running=running)
