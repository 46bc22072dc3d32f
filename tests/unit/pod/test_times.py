import time

import pytest

from pod.errors import PodError
from pod.times import SECOND, go_duration, parse_duration, parse_moment


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("10m", 600 * SECOND),
        ("1h30m", 5400 * SECOND),
        ("1.5h", 5400 * SECOND),
        ("300ms", 300_000_000),
        ("1h2m3s4ms5us6ns", 3723 * SECOND + 4_005_006),
        ("0", 0),
        ("-1s", -SECOND),
        (".5s", 500_000_000),
        ("2µs", 2000),
    ],
)
def test_durations(text: str, nanoseconds: int) -> None:
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("5x", 'unknown unit "x" in duration "5x"'),
        ("-1h5xs", 'unknown unit "xs" in duration "-1h5xs"'),
        ("5", 'missing unit in duration "5"'),
        ("foo", 'invalid duration "foo"'),
        ("", 'invalid duration ""'),
    ],
)
def test_bad_durations_are_told_as_go_tells_them(text: str, reason: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_duration(text)
    assert str(caught.value) == f"time: {reason}"


@pytest.mark.parametrize("text", ["", "10", "m", "1d", "1.m.", "1..5s", "-", "1h 2m", "s1", "."])
def test_bad_durations(text: str) -> None:
    with pytest.raises(ValueError):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1700000000", 1700000000 * SECOND),
        ("1700000000.25", 1700000000 * SECOND + 250_000_000),
        ("2023-11-14T22:13:20Z", 1700000000 * SECOND),
        ("2023-11-14T23:13:20+01:00", 1700000000 * SECOND),
        ("2023-11-14T22:13:20.123456789Z", 1700000000 * SECOND + 123456789),
        ("2023-11-14T22:13:20.5+00:00", 1700000000 * SECOND + 500_000_000),
        ("10s", 990 * SECOND),
    ],
)
def test_moments(text: str, nanoseconds: int) -> None:
    assert parse_moment(text, now=1000 * SECOND) == nanoseconds


def test_dates_without_zone_are_local() -> None:
    expected = int(time.mktime((2023, 11, 14, 0, 0, 0, 0, 0, -1))) * SECOND
    assert parse_moment("2023-11-14") == expected
    assert parse_moment("2023-11-14T01:00") == expected + 3600 * SECOND


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2023-13-01", "2023-11-14T", "20231114T000000", "1x", "2023-11-14T25:00"]
)
def test_bad_moments(text: str) -> None:
    with pytest.raises(PodError, match="unable to parse timestamp"):
        parse_moment(text)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1500, "1.5µs"),
        (21037000, "21.037ms"),
        (1_000_000_000, "1s"),
        (61_500_000_000, "1m1.5s"),
        (3_600_000_000_000, "1h0m0s"),
        (3_732_497_061_672, "1h2m12.497061672s"),
        (-2_000_000_000, "-2s"),
    ],
)
def test_go_duration(nanoseconds: int, text: str) -> None:
    assert go_duration(nanoseconds) == text
