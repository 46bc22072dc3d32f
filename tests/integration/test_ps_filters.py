"""`pod ps --filter` and the other ways to choose containers."""

from __future__ import annotations

import pytest

from tests.fixtures.command import Pod


def names(box: Pod, *options: str) -> set[str]:
    """Return the names that `ps -a` lists."""
    return set(box.run("ps", "--all", "--format", "{{.Names}}", *options).out.split())


def test_filters_of_ps(box: Pod, busybox: str) -> None:
    box.run("volume", "create", "data")
    box.run("create", "--name", "first", "--label", "tier=web", "-v", "data:/data", busybox, "sleep", "9")
    box.run("run", "--name", "second", "--label", "tier=db", "--label", "x", busybox, "sh", "-c", "exit 3", check=False)
    one = box.run("create", "--name", "third", "--network", "host", busybox, "true").out
    everything = {"first", "second", "third"}
    expected: dict[str, set[str]] = {
        "name=fi": {"first"},
        "name=^(first|third)$": {"first", "third"},
        f"id={one[:8]}": {"third"},
        f"id=^{one[:8]}": {"third"},
        "label=tier": {"first", "second"},
        "label=tier=db": {"second"},
        "label!=tier": {"third"},
        "label!=tier=db": {"first", "third"},
        "exited=3": {"second"},
        "exited=0": set(),
        "status=exited": {"second"},
        "status=created": {"first", "third"},
        "before=second": {"first"},
        "since=second": {"third"},
        "ancestor=busybox": everything,
        "ancestor=nothing": set(),
        "volume=data": {"first"},
        "volume=/data": {"first"},
        "volume=data:/data": {"first"},
        "volume=data:/nope": set(),
        "network=host": {"third"},
        "command=sleep": {"first"},
        "until=1h": set(),
        "until=2100-01-01": everything,
        "pod=p": set(),
        "restart-policy=always": set(),
        "should-start-on-boot=true": set(),
        "should-start-on-boot=false": everything,
    }
    found = {text: names(box, "--filter", text) for text in expected}
    assert found == expected
    # Two of one key are alternatives, but for labels; different keys must all fit.
    assert names(box, "--filter", "name=first", "--filter", "name=third") == {"first", "third"}
    assert names(box, "--filter", "label=tier", "--filter", "label=x") == {"second"}
    assert names(box, "--filter", "label=tier", "--filter", "status=created") == {"first"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo", 'invalid filter "foo"'),
        ("foo=bar", "foo is an invalid filter"),
        ("status=odd", "unknown container state: odd: invalid argument"),
        ("before=nobody", 'no container with name or ID "nobody" found: no such container'),
        ("exited=x", 'exited code out of range "x"'),
        ("until=then", 'failed to parse value as time or duration: "then"'),
        ("restart-policy=odd", "odd invalid restart policy"),
        ("should-start-on-boot=odd", 'invalid should-start-on-boot filter "odd"'),
    ],
)
def test_a_filter_that_makes_no_sense(pod: Pod, text: str, message: str) -> None:
    result = pod.run("ps", "--filter", text, check=False)
    assert result.code == 125
    assert result.stderr.startswith(f"Error: {message}")


def test_health_is_told_and_filtered(box: Pod, busybox: str) -> None:
    for name, command in (("well", "true"), ("ill", "false")):
        flags = ["--health-cmd", command, "--health-interval", "disable", "--health-retries", "1"]
        box.run("run", "-d", "--name", name, *flags, busybox, "sleep", "600")
        box.run("healthcheck", "run", name, check=False)
    box.run("run", "-d", "--name", "unknown", busybox, "sleep", "600")
    assert names(box, "--filter", "health=healthy") == {"well"}
    assert names(box, "--filter", "health=unhealthy") == {"ill"}
    assert names(box, "--filter", "health=healthy", "--filter", "health=unhealthy") == {"ill", "well"}
    told = dict(line.split("=") for line in box.run("ps", "--format", "{{.Names}}={{.Status}}").stdout.splitlines())
    assert told["well"].endswith(" (healthy)")
    assert told["ill"].endswith(" (unhealthy)")
    assert "(" not in told["unknown"]
