"""What a pod is asked for: --share, --exit-policy."""

from __future__ import annotations

import pytest

from pod.errors import PodError
from pod.pods import create

SHARES: tuple[tuple[str, list[str]], ...] = (
    ("", []),
    ("none", []),
    ("net", ["net"]),
    ("ipc,net,uts", ["ipc", "net", "uts"]),
    ("+pid", ["ipc", "net", "uts", "pid"]),
    ("+pid,net", ["ipc", "net", "uts", "pid"]),
    ("cgroup,pid,pid", ["cgroup", "pid"]),
)


@pytest.mark.parametrize(("text", "expected"), SHARES)
def test_shared(text: str, expected: list[str]) -> None:
    assert create.shared(text) == expected


@pytest.mark.parametrize("text", ["foo", "mnt", "user", "none,net", "net,foo"])
def test_what_cannot_be_shared(text: str) -> None:
    with pytest.raises(PodError):
        create.shared(text)


def test_exit_policy() -> None:
    assert create.exit_policy("stop") == "stop"
    with pytest.raises(PodError, match='invalid pod exit policy: "foo"'):
        create.exit_policy("foo")
