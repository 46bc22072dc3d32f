from __future__ import annotations

import time

import pytest

from pod import filters
from pod.errors import PodError


def test_values_are_gathered_by_key() -> None:
    assert filters.parse(["label=a=b", "status=x", "label=c"]) == {"label": ["a=b", "c"], "status": ["x"]}


@pytest.mark.parametrize("text", ["", "foo", "label"])
def test_a_filter_has_an_equals_sign(text: str) -> None:
    with pytest.raises(PodError, match="invalid filter"):
        filters.parse([text])


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (["a"], True),
        (["a=1"], True),
        (["a=2"], False),
        (["a", "b"], True),
        (["a", "nope"], False),
        (["a="], True),
        (["a*"], True),
        (["long.*key=x"], True),
        (["long.*key=y"], False),
        (["z*"], False),
    ],
)
def test_all_labels_must_fit(wanted: list[str], fits: bool) -> None:
    labels = {"a": "1", "b": "", "long.er.key": "x"}
    assert filters.has_labels(labels, wanted) is fits


def test_no_label_may_be_there() -> None:
    assert filters.lacks_labels({"a": "1"}, ["b", "a=2"])
    assert not filters.lacks_labels({"a": "1"}, ["b", "a"])


def test_until_is_one_moment() -> None:
    assert filters.until(["1000"]) == 1000
    assert time.time() - 601 < filters.until(["10m"]) < time.time() - 599
    with pytest.raises(PodError, match='failed to parse value as time or duration: "x"'):
        filters.until(["x"])
    with pytest.raises(PodError, match="exactly one"):
        filters.until(["1", "2"])


def test_what_prune_takes() -> None:
    passes = filters.prunable({"label": ["a"], "label!": ["b"], "until": ["1000"]})
    assert passes({"a": ""}, 999)
    assert not passes({"a": ""}, 1001)
    assert not passes({"a": "", "b": ""}, 999)
    assert not passes({}, 999)
    assert filters.prunable({})({}, time.time())
    with pytest.raises(PodError, match="status is an invalid filter"):
        filters.prunable({"status": ["x"]})


def test_regular_expressions() -> None:
    assert filters.matches("we", "web")
    assert filters.matches("^w.b$", "web")
    assert not filters.matches("^e", "web")
    assert not filters.matches("(", "web(")


def test_booleans() -> None:
    assert filters.boolean("dangling", "True") is True
    assert filters.boolean("dangling", "0") is False
    with pytest.raises(PodError, match='invalid dangling filter "x"'):
        filters.boolean("dangling", "x")
