"""Moments as RFC 3339 writes them, in UTC, and as poll(2) waits for them."""

from __future__ import annotations

import time

SECOND = 1_000_000_000
_DAY = 86_400
_LONGEST_POLL = (1 << 31) - 1
_dates: dict[int, str] = {}  # the day that was written last


def rfc3339(nanoseconds: int, zone: str = "Z") -> str:
    """Return a moment since 1970, always with nine digits after the second; `zone` is how UTC is written."""
    seconds, fraction = divmod(nanoseconds, SECOND)
    day, second = divmod(seconds, _DAY)
    # Made once a day: what gmtime(3) and strftime(3) do is in no processor's cache when a monitor wakes up.
    date = _dates.get(day)
    if date is None:
        _dates.clear()
        date = _dates[day] = time.strftime("%Y-%m-%dT", time.gmtime(seconds))
    return f"{date}{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}.{fraction:09d}{zone}"


def shortest(nanoseconds: int) -> str:
    """Return a moment since 1970 without zeros at the end of its second, as Go prints it (time.RFC3339Nano)."""
    return rfc3339(nanoseconds, "").rstrip("0").rstrip(".") + "Z"


def from_seconds(seconds: float) -> int:
    """Return the nanoseconds of a moment in seconds, with as much of its fraction as a float holds."""
    whole = int(seconds // 1)
    return whole * SECOND + round((seconds - whole) * SECOND)


def milliseconds_until(moment: float) -> int:
    """Return for how long to poll until a moment of time.monotonic(), or for the 24 days that poll(2) takes at most."""
    return min(max(0, int((moment - time.monotonic()) * 1000) + 1), _LONGEST_POLL)
