"""Looking for steps in processes of their own, against repositories that are none."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import pytest

from pod.build.cache.looking_up import LookUps
from pod.build.stages.scheduling import at_once
from storage.errors import CorruptError, ImageNotFoundError, StorageError
from storage.step_images import Repository


@dataclass
class Step:
    key: str
    pid: int

    def document(self) -> dict[str, Any]:
        return {"pid": self.pid}


class FakeRepository:
    """Has each step that is not named after what goes wrong."""

    def find(self, key: str) -> Step:
        match key:
            case "missing":
                raise ImageNotFoundError("not there")
            case "corrupt":
                raise CorruptError("no step", hint="a hint")
            case "dies":
                os._exit(1)
        return Step(key, os.getpid())

    def step(self, key: str, document: Mapping[str, Any]) -> Step:
        return Step(key, document["pid"])


@contextmanager
def looking(repositories: int = 1) -> Iterator[LookUps]:
    made = LookUps(cast("list[Repository]", [FakeRepository() for _ in range(repositories)]))
    try:
        yield made
    finally:
        made.close()


def find(look_ups: LookUps, key: str, number: int = 0) -> Step:
    return cast("Step", at_once(look_ups.find(number, key)))


def test_one_process_answers_who_asks_one_after_the_other() -> None:
    with looking(2) as look_ups:
        found = [find(look_ups, "a"), find(look_ups, "b", 1)]
        assert [one.key for one in found] == ["a", "b"]
        assert found[0].pid == found[1].pid != os.getpid()


def test_who_asks_meanwhile_has_another_process() -> None:
    with looking() as look_ups:
        waiting = look_ups.find(0, "a")
        next(waiting)
        other = find(look_ups, "b")
        assert cast("Step", at_once(waiting)).pid != other.pid


def test_errors_come_through() -> None:
    with looking() as look_ups:
        with pytest.raises(ImageNotFoundError, match="not there"):
            find(look_ups, "missing")
        with pytest.raises(CorruptError) as caught:
            find(look_ups, "corrupt")
        assert caught.value.hint == "a hint"
        with pytest.raises(StorageError, match="the process has ended"):
            find(look_ups, "dies")
        assert find(look_ups, "a").key == "a"


def test_who_no_longer_waits_is_not_answered_later() -> None:
    with looking() as look_ups:
        waiting = look_ups.find(0, "a")
        next(waiting)
        waiting.close()
        assert find(look_ups, "b").key == "b"
