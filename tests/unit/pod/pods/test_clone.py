"""Copies of pods: what flags change in what the original's containers have."""

from __future__ import annotations

from typing import Any

import pytest

from pod.pods.clone import joined, overlaid

CASES: tuple[tuple[Any, Any, Any, Any], ...] = (
    (1, 2, 2, 1),
    (1, 2, 3, 3),
    ({"a": 1, "b": 5}, {"a": 2, "b": 3}, {"a": 2, "b": 4}, {"a": 1, "b": 4}),
    ({"a": {"x": 1}}, {"a": {"x": 2, "y": 0}}, {"a": {"x": 2, "y": 3}}, {"a": {"x": 1, "y": 3}}),
    ({}, {}, {"new": 1}, {"new": 1}),
    (["a"], ["p"], ["p", "b"], ["a", "b"]),
    (
        [{"target": "/a", "source": "1"}, {"target": "/b", "source": "2"}],
        [],
        [{"target": "/a", "source": "3"}],
        [{"target": "/b", "source": "2"}, {"target": "/a", "source": "3"}],
    ),
    (None, None, {"a": 1}, {"a": 1}),
)


@pytest.mark.parametrize(("own", "plain", "asked", "expected"), CASES)
def test_overlaid(own: Any, plain: Any, asked: Any, expected: Any) -> None:
    assert overlaid(own, plain, asked) == expected


def test_joined() -> None:
    assert joined("ID", "private") == "container:ID"
    assert joined("ID", "keep-id") == "container:ID"
    assert joined("ID", "host") == "host"
    assert joined("ID", "ns:/proc/1/ns/net") == "ns:/proc/1/ns/net"
