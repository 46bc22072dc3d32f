from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import moments


@given(st.integers(0, 4_000_000_000), st.integers(0, 999_999_999))
def test_a_moment(second: int, fraction: int) -> None:
    text = moments.rfc3339(second * moments.SECOND + fraction)
    assert datetime.fromisoformat(text[:19] + "+00:00").timestamp() == second
    assert text[19:] == f".{fraction:09d}Z"


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_500_000_000, "1970-01-01T00:00:01.5Z"),
        (1_000_000_001, "1970-01-01T00:00:01.000000001Z"),
        (1_700_000_000_120_000_000, "2023-11-14T22:13:20.12Z"),
    ],
)
def test_without_zeros_at_the_end(nanoseconds: int, text: str) -> None:
    assert moments.shortest(nanoseconds) == text


def test_as_the_log_writes_it() -> None:
    assert moments.rfc3339(1_700_000_000_000_000_000, "+00:00") == "2023-11-14T22:13:20.000000000+00:00"


@given(st.floats(0, 4_000_000_000))
def test_seconds_keep_their_fraction(seconds: float) -> None:
    assert moments.from_seconds(seconds) / moments.SECOND == pytest.approx(seconds, abs=1e-9, rel=1e-15)
