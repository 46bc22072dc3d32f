"""The word for what a pod does, from the states of its containers."""

from __future__ import annotations

import pytest

from pod.pods.status import WORDS, word

CASES = (
    ("", "Created"),
    ("created", "Created"),
    ("created initialized", "Created"),
    ("running", "Running"),
    ("running restarting", "Running"),
    ("running created", "Degraded"),
    ("running exited", "Degraded"),
    ("running paused", "Degraded"),
    ("paused paused", "Paused"),
    ("paused created", "Created"),
    ("exited", "Exited"),
    ("exited created", "Stopped"),
    ("exited paused", "Stopped"),
    ("unheard-of", "Error"),
)


@pytest.mark.parametrize(("states", "expected"), CASES)
def test_word(states: str, expected: str) -> None:
    assert word(states.split()) == expected
    assert expected in WORDS
