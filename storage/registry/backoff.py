"""When to ask a registry again, and when to stop asking."""

from __future__ import annotations

import random
import time

RETRIED = frozenset([408, 429, 499, 500, 502, 503, 504, 522])
TOO_MANY_REQUESTS = 429
MAX_DELAY = 60.0
# Below this a registry only pretends to send. A modem's link has 5 KiB/s, of which each of up to 16 connections (four
# layers, each over four) gets a share.
LEAST_BYTES_PER_SECOND = 100
_RATE_LIMIT_TRIES = 5
_PROGRESS = 1 << 20
# Not the module's own generator: a thread that waits here must not disturb who counts on that one's numbers.
_JITTER = random.Random()


def tries(status: int, retries: int) -> int:
    """Give how often a request with this answer is repeated; a rate limit deserves more patience."""
    return max(retries, _RATE_LIMIT_TRIES) if status == TOO_MANY_REQUESTS and retries else retries


def delay(attempt: int, base: float, retry_after: str | None = None, status: int = 0) -> float:
    """Give the seconds to wait before repeating: what the server asks for, else doubling with jitter; 60 at most."""
    asked = _seconds(retry_after) if retry_after else None
    if asked is not None:
        return min(max(asked, 0.0), MAX_DELAY)
    start = base * 2 if status == TOO_MANY_REQUESTS else base
    return min(start * 2.0 ** min(attempt, 10) * _JITTER.uniform(1.0, 1.5), MAX_DELAY)


def _seconds(retry_after: str) -> float | None:
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None


class Patience:
    """Decides whether a broken download is worth another connection: with progress always, without it a few times.

    A few bytes a minute are none.
    """

    def __init__(self, position: int, retries: int) -> None:
        self._position = position
        self._since = time.monotonic()
        self._retries = retries
        self._fruitless = 0

    def again(self, position: int) -> int | None:
        """Count a break at this position; give the number of fruitless attempts so far, or None to give up."""
        now = time.monotonic()
        came, took = position - self._position, now - self._since
        if came >= _PROGRESS or (took >= MAX_DELAY and came >= took * LEAST_BYTES_PER_SECOND):
            self._fruitless = 0
        elif self._fruitless >= self._retries:
            return None
        else:
            self._fruitless += 1
        self._position = position
        self._since = now
        return self._fruitless
