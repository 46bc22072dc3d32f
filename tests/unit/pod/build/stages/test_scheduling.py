"""What stages wait for: tasks that several of them need, time that goes by, processes that work and report."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator

import pytest

from pod.build.stages.apart import apart
from pod.build.stages.scheduling import Needs, Schedule, at_once, settled
from pod.errors import PodError
from storage import worker
from storage.errors import ImageNotFoundError, StorageError
from storage.interrupts import Interrupts

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))))
Steps = Generator[int | Needs, None, str]


def ready() -> int:
    """Return a descriptor that is readable at once, and stays so."""
    reader, writer = os.pipe()
    os.close(writer)
    return reader


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        (0, ["0 asks", "1 asks", "2 asks", "image", "0 has it", "1 has it", "2 has it"]),
        (1, ["0 asks", "image", "0 has it", "1 has it", "2 has it"]),
        (2, ["0 asks", "1 asks", "image", "0 has it", "1 has it", "2 has it"]),
    ],
)
def test_a_task_is_done_once_for_all_and_takes_nobodys_turn(jobs: int, expected: list[str]) -> None:
    log: list[str] = []

    def image() -> Steps:
        log.append("image")
        descriptor = ready()
        yield descriptor
        os.close(descriptor)
        return "image"

    def stage(number: int) -> Steps:
        if "image" not in schedule.results:
            log.append(f"{number} asks")
            yield Needs("image", keeps_turn=True)
        log.append(f"{number} has it")
        return str(number)

    schedule: Schedule[str] = Schedule(lambda task: image() if task == "image" else stage(task), range(3), jobs)
    with Interrupts() as interrupts:
        schedule.run(interrupts)
    assert log == expected
    assert schedule.results == {0: "0", 1: "1", 2: "2", "image": "image"}


def test_time_goes_by_while_nothing_happens() -> None:
    reader, writer = os.pipe()
    ticks: list[int] = []

    def tick() -> int:
        ticks.append(1)
        if len(ticks) == 3:
            os.close(writer)
        return 1

    def waiting() -> Steps:
        yield reader
        return "done"

    schedule: Schedule[str] = Schedule(lambda _: waiting(), [0], 0)
    with Interrupts() as interrupts:
        schedule.run(interrupts, tick)
    os.close(reader)
    assert len(ticks) == 3
    assert schedule.results == {0: "done"}


@pytest.mark.parametrize(
    "error", [PodError("no", hint="do"), StorageError("no", hint="do"), ImageNotFoundError("no", hint="do")]
)
def test_errors_come_from_apart(error: Exception) -> None:
    def fail() -> dict[str, str]:
        raise error

    with pytest.raises(StorageError, match=r"^no$") as raised:
        at_once(apart("try", fail))
    assert raised.value.hint == "do"
    assert isinstance(error, PodError) or type(raised.value) is type(error)


def test_what_is_done_apart_changes_nothing_here() -> None:
    changed: list[int] = []

    def work() -> dict[str, int]:
        changed.append(1)
        return {"pid": os.getpid()}

    assert at_once(apart("try", work))["pid"] != os.getpid()
    assert changed == []


def test_who_does_not_wait_for_the_end_kills_the_worker() -> None:
    reader, writer = os.pipe()

    def work() -> dict[str, int]:
        os.read(reader, 1)
        return {}

    waiting = apart("try", work)
    next(waiting)
    waiting.close()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    os.close(reader)
    os.close(writer)


CODE = """
import sys; sys.path.insert(0, {0!r})
from storage import worker
from storage.errors import ImageNotFoundError
def work(report):
    report.text("begins")
    said = sys.stdin.read()
    if said == "fail":
        raise ImageNotFoundError("none", hint="pull")
    report.text("ends")
    return {{"said": said}}
worker.serve(1, "try", work)
"""


def test_a_program_that_works_and_reports() -> None:
    argv, told = [sys.executable, "-I", "-c", CODE.format(SOURCE)], list[str]()
    process = worker.execute(worker.Worker, argv, b"x" * 100_000, "try" * 100, told.append)
    assert at_once(settled(process)) == {"said": "x" * 100_000}
    assert process.values() == {"said": "x" * 100_000}
    assert told == ["begins", "ends"]
    failing = worker.execute(worker.Worker, argv, b"fail", "try", told.append)
    with pytest.raises(ImageNotFoundError, match="none") as raised:
        at_once(settled(failing))
    assert raised.value.hint == "pull"
    missing = worker.execute(worker.Worker, ["/nonexistent"], b"", "try", told.append)
    with pytest.raises(StorageError, match="ended early"):
        at_once(settled(missing))


def test_nothing_of_a_worker_is_left_when_it_has_settled() -> None:
    def fail(_report: Callable[[int], None]) -> dict[str, str]:
        raise StorageError("no")

    failing = worker.fork(worker.Worker, fail, "try")
    with pytest.raises(StorageError, match=r"^no$"):
        at_once(settled(failing))
    with pytest.raises(ChildProcessError):
        os.waitpid(failing.pid, os.WNOHANG)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(failing.fileno())
    with pytest.raises(StorageError, match=r"^no$"):
        failing.values()
