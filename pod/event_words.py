"""Events in podman's words: the line of `pod events`, its JSON, and its filters.

Source: podman-events(1); cmd/podman/system/events.go and libpod/events of podman 5.
"""

from __future__ import annotations

import time

from pod import filters
from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Event = dict[str, Any]

_SHORT = 12
# The key of the JSON for each field that is not always there; the first is the field's name in templates.
_OPTIONAL = (
    ("ContainerExitCode", "ContainerExitCode"),
    ("ID", "ID"),
    ("Image", "Image"),
    ("Name", "Name"),
    ("Network", "network"),
    ("HealthStatus", "health_status"),
    ("HealthLog", "health_log"),
    ("HealthFailingStreak", "health_failing_streak"),
    ("Error", "Error"),
    ("PodID", "PodID"),
    ("ContainerInspectData", "ContainerInspectData"),
)
_last: list[Any] = [None, "", ""]  # A second, and how it is written.
_NUMBERS = ("ContainerExitCode", "HealthFailingStreak")
KEYS = ("artifact", "container", "event", "image", "label", "network", "pod", "secret", "status", "type", "volume")


def document(event: Event) -> dict[str, Any]:
    """Return an event as --format json tells it."""
    found: dict[str, Any] = {key: event[name] for name, key in _OPTIONAL[:5] if _said(event, name)}
    found |= {"Status": event["Status"], "time": event["Time"] // 10**9, "timeNano": event["Time"]}
    found["Type"] = event["Type"]
    found |= {key: event[name] for name, key in _OPTIONAL[5:] if _said(event, name)}
    found["Attributes"] = event.get("Attributes")
    return found


def fields(event: Event) -> dict[str, Any]:
    """Return an event as a template sees it: all fields are there."""
    from pod.template.values import Map, WrittenTime
    from runtime.moments import shortest

    found: dict[str, Any] = {name: event.get(name, 0 if name in _NUMBERS else "") for name, _ in _OPTIONAL}
    found |= {"Status": event["Status"], "Time": WrittenTime(shortest(event["Time"])), "TimeNano": event["Time"]}
    return found | {"Type": event["Type"], "Attributes": Map(event.get("Attributes") or {})}


def _said(event: Event, name: str) -> bool:
    value = event.get(name)
    return value is not None and (name == "ContainerExitCode" or bool(value))


def line(event: Event, *, truncate: bool) -> str:
    """Return an event as a line for people."""
    kind, name = event["Type"], event.get("Name", "")
    identity = event.get("ID", "")[:_SHORT] if truncate else event.get("ID", "")
    words = [moment(event["Time"]), kind, event["Status"]]
    if kind in ("container", "pod"):
        return " ".join([*words, identity, f"({_details(event)})"])
    if kind == "network" and event["Status"] in ("create", "remove"):
        driver = (event.get("Attributes") or {}).get("driver", "")
        return " ".join([*words, identity, f"(name={event.get('Network', '')}, type={driver})"])
    if kind == "network":
        return " ".join([*words, identity, f"(container={identity}, name={event.get('Network', '')})"])
    if kind in ("image", "artifact"):
        return " ".join([*words, identity, name, *([event["Error"]] if event.get("Error") else [])])
    if kind == "secret":
        return " ".join([*words, identity])
    return " ".join([*words, *([name] if name else [])])


def _details(event: Event) -> str:
    found = [f"image={event.get('Image', '')}", f"name={event.get('Name', '')}"]
    if event.get("PodID"):
        found.append(f"pod_id={event['PodID']}")
    if event["Status"] == "health_status":
        found.append(f"health_status={event.get('HealthStatus', '')}")
        found.append(f"health_failing_streak={event.get('HealthFailingStreak', 0)}")
        found.append(f"health_log={event.get('HealthLog', '')}")
    found += [f"{key}={value}" for key, value in sorted((event.get("Attributes") or {}).items())]
    return ", ".join(found)


def moment(nanoseconds: int) -> str:
    """Return a moment as Go prints it, in the local time zone."""
    seconds, fraction = divmod(nanoseconds, 10**9)
    if _last[0] != seconds:  # Many events share their second.
        local = time.localtime(seconds)
        _last[:] = seconds, time.strftime("%Y-%m-%d %H:%M:%S", local), time.strftime(" %z %Z", local)
    digits = f".{fraction:09d}".rstrip("0").rstrip(".")
    return f"{_last[1]}{digits}{_last[2]}"


def chooser(texts: Iterable[str]) -> Callable[[Event], bool]:
    """Return what tells whether an event passes the filters: one value of each key must fit."""
    try:
        wanted = filters.parse(texts)
    except PodError as error:
        raise PodError(f"failed to parse event filters: {error}", hint=error.hint) from None
    tests = [(_test(key.lower()), values) for key, values in wanted.items()]

    def passes(event: Event) -> bool:
        return all(any(test(event, value) for value in values) for test, values in tests)

    return passes


def _test(key: str) -> Callable[[Event, str], bool]:
    if key in ("event", "status"):
        return lambda event, value: event["Status"] == ("died" if value == "die" else value)
    if key == "type":
        return lambda event, value: event["Type"] == value
    if key == "label":
        return lambda event, value: filters.has_labels(event.get("Attributes") or {}, [value])
    if key == "pod":
        return lambda event, value: _is_named(event, "pod", value) or _starts(event.get("PodID"), value)
    if key in KEYS:
        return lambda event, value: _is_named(event, key, value)
    error = filters.unknown(key, KEYS)
    raise PodError(f"failed to parse event filters: {error}", hint=error.hint)


def _is_named(event: Event, kind: str, value: str) -> bool:
    """Tell whether the event is about the object of this kind with this name, or whose ID begins like this."""
    if event["Type"] != kind:
        return False
    name = event.get("Network" if kind == "network" else "Name", "")
    return bool(name == value or _starts(event.get("ID"), value) or (kind == "image" and _is_short(name, value)))


def _starts(identity: str | None, value: str) -> bool:
    return bool(identity and value and identity.startswith(value.removeprefix("sha256:")))


def _is_short(name: str, value: str) -> bool:
    """Tell whether an image's full name is meant by a shorter one: `alpine` for docker.io/library/alpine:latest."""
    return bool(value) and f"/{name}".removesuffix(":latest").endswith(f"/{value.removesuffix(':latest')}")
