"""Which images others were made of, by their layers and histories, which nobody has checked."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from pod.images.ancestry import Ancestry


def image(name: str, layers: str, history: Any) -> Any:
    return SimpleNamespace(id=name, layers=tuple(layers), config=json.dumps({"history": history}).encode())


def among(*images: Any) -> Ancestry:
    return Ancestry(lambda layers: [one for one in images if one.layers == layers])


def steps(words: str) -> list[dict[str, str]]:
    return [{"created_by": word} for word in words]


@pytest.mark.parametrize(("layers", "words"), [("ab", "xyz"), ("abc", "xyz")])
def test_the_parent_is_one_step_and_at_most_a_layer_below(layers: str, words: str) -> None:
    base, below = image("base", "a", steps("x")), image("below", "ab", steps("xy"))
    child = image("child", layers, steps(words))
    found = among(base, below, child)
    assert (found.parent(child), found.parent(below), found.parent(base)) == ("below", "base", "")
    assert {count: one.id for count, one in found.ancestors(child).items()} == {1: "base", 2: "below"}


@pytest.mark.parametrize("history", [5, True, "text", {"a": 1}, None])
def test_a_history_that_is_none(history: Any) -> None:
    odd, child = image("odd", "a", history), image("child", "ab", steps("x"))
    found = among(odd, child)
    assert (found.parent(odd), found.ancestors(child)) == ("", {0: odd})


def test_what_has_no_layer_is_below_nothing_that_has_one() -> None:
    empty, child = image("empty", "", []), image("child", "a", steps("x"))
    assert among(empty, child).parent(child) == ""
    assert among(empty, child).ancestors(child) == {}
