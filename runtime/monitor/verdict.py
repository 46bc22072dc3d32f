"""What the results of health checks come to (pure)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Verdict:
    """What the results of the checks so far come to."""

    __slots__ = ("failures", "passed", "status", "streak", "successes")

    def __init__(self, *, startup: bool) -> None:
        self.status = "starting"
        self.streak = 0
        self.passed = not startup  # the startup check, or there is none
        self.successes = self.failures = 0

    def add(self, good: bool, settings: dict[str, Any], *, in_start_period: bool) -> bool:
        """Take one result; True if the container is to be started again because it never came up."""
        if not self.passed:
            return self._add_startup(good, settings["startup"])
        if good:
            self.status, self.streak = "healthy", 0
        elif not in_start_period or self.status == "healthy":
            self.streak += 1
            if self.streak >= settings["normal"]["retries"]:
                self.status = "unhealthy"
        return False

    def _add_startup(self, good: bool, startup: dict[str, Any]) -> bool:
        if good:
            self.successes += 1
            self.failures = 0
            self.passed = self.successes >= max(1, startup["success"])
            return False
        self.failures += 1
        self.successes = 0
        return bool(startup["retries"]) and self.failures >= startup["retries"]
