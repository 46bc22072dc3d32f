"""Moments as people write them: RFC 3339, seconds since the epoch, or how long ago in Go's notation (10m, 1h30m)."""

from __future__ import annotations

import time

from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

SECOND = 1_000_000_000
_UNITS = {
    "ns": 1,
    "us": 1000,
    "µs": 1000,
    "μs": 1000,
    "ms": 1_000_000,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3600 * SECOND,
}


def parse_duration(text: str) -> int:
    """Return the nanoseconds of a Go duration such as "1h30m", "1.5h" or "-300ms".

    Raises ValueError, in the words of Go's time.ParseDuration, if it is none.
    """
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0
    total = 0
    while True:
        whole, rest = _digits(rest)
        fraction = ""
        if rest[:1] == ".":
            fraction, rest = _digits(rest[1:])
        if not whole and not fraction:
            raise ValueError(f'time: invalid duration "{text}"')
        letters = next((i for i, letter in enumerate(rest) if letter in ".0123456789"), len(rest))
        unit, rest = rest[:letters], rest[letters:]
        if unit not in _UNITS:
            what = f'unknown unit "{unit}"' if unit else "missing unit"
            raise ValueError(f'time: {what} in duration "{text}"')
        scale: int = 10 ** len(fraction)
        total += int(whole or "0") * _UNITS[unit] + int(fraction or "0") * _UNITS[unit] // scale
        if not rest:
            return -total if text[0] == "-" else total


def _digits(text: str) -> tuple[str, str]:
    rest = text.lstrip("0123456789")
    return text[: len(text) - len(rest)], rest


def parse_moment(text: str, now: int | None = None, *, ahead: bool = False) -> int:
    """Return nanoseconds since the epoch for a moment as the options --since and --until take it.

    A duration counts back from `now`, or with `ahead` on from it; a date without a time zone is meant in the local one.
    """
    whole, point, fraction = text.partition(".")
    if whole.isdecimal() and (fraction.isdecimal() or not point):
        return int(whole) * SECOND + int((fraction + "0" * 9)[:9])
    try:
        length = parse_duration(text)
        return (time.time_ns() if now is None else now) + (length if ahead else -length)
    except ValueError:
        pass
    try:
        return _parse_date(text)
    except (ValueError, OverflowError):
        raise PodError(
            f"unable to parse timestamp: '{text}'",
            hint="write 2026-11-23T05:53:44Z, 2026-11-23, seconds since the epoch, or how long ago: 10m",
        ) from None


def _parse_date(text: str) -> int:
    from datetime import datetime

    if not text[:4].isdecimal():
        raise ValueError(text)
    moment = text.replace(" ", "T", 1)
    # datetime knows microseconds only.
    whole, point, rest = moment.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    if point and not digits:
        raise ValueError(text)
    parsed: datetime = datetime.fromisoformat(_complete(whole + rest[len(digits) :]))
    return int(parsed.timestamp()) * SECOND + int((digits + "0" * 9)[:9])


def _complete(moment: str) -> str:
    """Give a date a time, and let only the forms through that podman knows."""
    date, separator, clock = moment.partition("T")
    if len(date) != 10 or date.count("-") != 2 or (separator and not clock):
        raise ValueError(moment)
    return f"{date}T{clock or '00:00:00'}"


def go_duration(nanoseconds: int) -> str:
    """Return a duration as Go prints it: "0s", "1.5ms", "1h2m3.25s"."""
    if nanoseconds < 0:
        return f"-{go_duration(-nanoseconds)}"
    for unit, size in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if 0 < nanoseconds < size * 1000:
            return f"{_decimal(nanoseconds, size)}{unit}"
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}h" if hours else ""
    text += f"{minutes}m" if minutes or hours else ""
    return f"{text}{_decimal(seconds * 1_000_000_000 + rest, 1_000_000_000)}s"


def _decimal(amount: int, size: int) -> str:
    whole, rest = divmod(amount, size)
    fraction = f"{rest:0{len(str(size)) - 1}d}".rstrip("0") if rest else ""
    return f"{whole}.{fraction}" if fraction else str(whole)
