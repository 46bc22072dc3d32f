"""What --health-* and an image's HEALTHCHECK come to."""

from __future__ import annotations

from typing import Any

import pytest

from pod.containers.health.flags import configure

SECOND = 1_000_000_000
IMAGE = {"Healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 7 * SECOND, "Retries": 9, "StartPeriod": SECOND}}


def made(said: dict[str, Any], image: dict[str, Any] | None = None) -> Any:
    return configure(said, image or {})


@pytest.mark.parametrize(
    ("command", "test"),
    [
        ("curl -f localhost || exit 1", ["CMD-SHELL", "curl -f localhost || exit 1"]),
        ('["test", "-e", "/ok"]', ["CMD", "test", "-e", "/ok"]),
        ('["CMD-SHELL", "true"]', ["CMD-SHELL", "true"]),
        ("[ -e /ok ]", ["CMD-SHELL", "[ -e /ok ]"]),
        ("none", ["NONE"]),
    ],
)
def test_commands(command: str, test: list[str]) -> None:
    assert made({"health_cmd": command})["check"]["test"] == test


def test_defaults() -> None:
    check = made({"health_cmd": "true"})
    assert check["check"] == {
        "test": ["CMD-SHELL", "true"],
        "interval": 30 * SECOND,
        "timeout": 30 * SECOND,
        "retries": 3,
    }
    assert (check["max_log_count"], check["max_log_size"], check["on_failure"]) == (5, 500, "none")


def test_image_is_the_default_and_flags_overrule_it() -> None:
    assert made({}, IMAGE)["check"]["retries"] == 9
    assert made({}, IMAGE)["start_period"] == SECOND
    assert made({"health_interval": "1s"}, IMAGE)["check"]["interval"] == SECOND
    assert made({"health_interval": "disable"}, IMAGE)["check"]["interval"] == 0
    assert made({"no_healthcheck": True}, IMAGE)["check"]["test"] == ["NONE"]
    assert made({"health_cmd": "false"}, IMAGE)["check"]["retries"] == 3
    assert made({"health_interval": "1s"}) is None
