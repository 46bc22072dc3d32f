"""Stages side by side in one process: each is a generator that yields what it waits for.

What several of them need (an image that is pulled) is a task beside them, done once. All that takes time happens in
other processes (containers, copying, hashing), of which a stage yields a descriptor that becomes readable. So the
database is this process's alone, and nothing here needs a lock.
"""

from __future__ import annotations

import select
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from pod.errors import PodError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Hashable, Iterable
    from typing import Any

    from storage.interrupts import Interrupts
    from storage.worker import Worker

Result = TypeVar("Result")
Some = TypeVar("Some")


@dataclass(frozen=True)
class Needs:
    """What a stage yields that cannot go on without the end of another, or of a task; `keeps_turn` counts it as active.

    A task that somebody keeps his turn for needs no turn of its own.
    """

    task: Hashable
    keeps_turn: bool = False


def settled(worker: Worker) -> Generator[int | Needs, None, dict[str, Any]]:
    """Wait for the end of a process, and return what it gave or raise what went wrong there.

    One that is not waited for to its end is killed.
    """
    try:
        while True:
            yield worker.fileno()
            if worker.advance():
                return worker.values()
    finally:
        worker.kill()


def at_once(work: Generator[object, None, Some]) -> Some:
    """Do the work of a generator for whom nobody else waits: wherever it would wait, this process does."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            found: Some = end.value
            return found


class Schedule(Generic[Result]):
    """Takes stages to their ends: at most `jobs` of them at once, 0 for all.

    `begin` gives a stage or a task; one that no one knew of before another needs it (a trigger of an image does) begins
    then.
    """

    def __init__(
        self, begin: Callable[[Any], Generator[int | Needs, None, Result]], stages: Iterable[Hashable], jobs: int
    ) -> None:
        self.results: dict[Hashable, Result] = {}
        self._begin = begin
        self._stages = {index: begin(index) for index in stages}
        self._jobs = jobs
        self._free: set[Hashable] = set()  # tasks that take no turn
        self._waiting: dict[Hashable, int | Needs | None] = {}  # of those that have begun; None: for nothing any more

    def run(self, interrupts: Interrupts, tick: Callable[[], int | None] = lambda: None) -> None:
        """Take all stages to their ends; what fails in one ends the others, and is raised when they have cleaned up.

        `tick` is called before each wait, and tells how many milliseconds that may take at most.
        """
        try:
            while self._stages:
                if not self._advance():
                    longest = tick()
                    with interrupts.waiting():
                        ready = self._poll(longest)
                    for index in ready:
                        self._waiting[index] = None
        finally:
            for stage in self._stages.values():
                stage.close()

    def _advance(self) -> bool:
        """Let all stages go on that can; False if each waits."""
        moved = False
        for index in list(self._stages):
            if self._may_go_on(index):
                self._step(index)
                moved = True
        return moved

    def _may_go_on(self, index: Hashable) -> bool:
        if index not in self._waiting:
            return index in self._free or self._has_room()
        waits = self._waiting[index]
        if isinstance(waits, Needs):
            return waits.task in self.results and (waits.keeps_turn or self._has_room())
        return waits is None

    def _has_room(self) -> bool:
        active = sum(
            index not in self._free and (not isinstance(waits, Needs) or waits.keeps_turn)
            for index, waits in self._waiting.items()
        )
        return not self._jobs or active < self._jobs

    def _step(self, index: Hashable) -> None:
        try:
            self._waiting[index] = waits = next(self._stages[index])
        except StopIteration as end:
            self.results[index] = end.value
            self._forget(index)
            return
        except BaseException:
            self._forget(index)
            raise
        if isinstance(waits, Needs) and waits.task not in self.results:
            if waits.keeps_turn:
                self._free.add(waits.task)
            if waits.task not in self._stages:
                self._stages[waits.task] = self._begin(waits.task)

    def _forget(self, index: Hashable) -> None:
        del self._stages[index]
        self._waiting.pop(index, None)

    def _poll(self, longest: int | None) -> list[Hashable]:
        """Wait until something has happened for a stage, or for so many milliseconds; return for which."""
        poller = select.poll()
        stages: dict[int, Hashable] = {}
        for index, waits in self._waiting.items():
            if isinstance(waits, int):
                poller.register(waits, select.POLLIN)
                stages[waits] = index
        if not stages:
            raise PodError("the stages of the Containerfile wait for each other")
        return [stages[descriptor] for descriptor, _ in poller.poll(longest)]
