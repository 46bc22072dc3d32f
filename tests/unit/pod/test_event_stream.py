import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from pod import event_stream, event_words, events, settings
from pod.config import Config
from pod.errors import PodError


@pytest.fixture(name="config")
def configuration(tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setattr(settings, "current", settings.Settings())
    root = os.fspath(tmp_path)
    return Config(graphroot=root, runroot=root, uid=0, rootless=False, home="/", user="")


def tell(config: Config, *names: str) -> None:
    for name in names:
        events.record(config, "volume", "create", name=name)


def names(found: Iterator[dict[str, Any]]) -> list[str]:
    return [event["Name"] for event in found]


def test_history_goes_across_a_rotation(config: Config) -> None:
    config.engine["events_logfile_max_size"] = 200
    tell(config, "a", "b", "c", "d")
    assert os.path.exists(events.path(config) + ".1")
    told = names(event_stream.read(config))
    assert told == ["a", "b", "c", "d"][-len(told) :]
    assert len(told) > 1


def test_between_two_moments(config: Config) -> None:
    tell(config, "a")
    since = time.time_ns()
    tell(config, "b")
    until = time.time_ns()
    tell(config, "c")
    assert names(event_stream.read(config, since=since)) == ["b", "c"]
    assert names(event_stream.read(config, since=since, until=until)) == ["b"]
    assert names(event_stream.read(config, until=until, stream=True)) == ["a", "b"]
    assert names(event_stream.read(config, history=False)) == []


def test_half_a_line_does_no_harm(config: Config) -> None:
    tell(config, "a", "b")
    with open(events.path(config), "rb+") as file:
        file.truncate(os.path.getsize(events.path(config)) - 30)
    tell(config, "c")
    with open(events.path(config), "ab") as file:
        file.write(b'\xff\x00 nonsense\n{"Time":"x"}\n[]\n{"Time":1,"Type":1,"Status":"x"}\n')
    tell(config, "d")
    assert names(event_stream.read(config)) == ["a", "c", "d"]
    assert names(event_stream.read(config, since=1)) == ["a", "c", "d"]


def test_followers_see_every_event_of_many_writers_across_rotations(config: Config) -> None:
    config.engine["events_logfile_max_size"] = "40k"
    expected = {f"{writer}-{number}" for writer in range(4) for number in range(300)}
    last = time.time_ns() + 60 * 10**9
    found: list[list[str]] = [[], []]

    def follow(into: list[str]) -> None:
        for event in event_stream.read(config, until=last, stream=True):
            into.append(event["Name"])
            if len(into) == len(expected):
                return

    def write(writer: int) -> None:
        for number in range(300):
            tell(config, f"{writer}-{number}")
            time.sleep(0.0005)

    followers = [threading.Thread(target=follow, args=(into,), daemon=True) for into in found]
    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in [*followers, *writers]:
        thread.start()
    for thread in [*writers, *followers]:
        thread.join(20)
    for into in found:
        assert len(into) == len(expected)
        assert set(into) == expected


def event(**fields: Any) -> dict[str, Any]:
    return {
        "Time": 10**18 + 120,
        "Type": "container",
        "Status": "start",
        "Name": "web",
        "ID": "abc123def456789",
    } | fields


@pytest.mark.parametrize(
    ("filters", "passes"),
    [
        ([], True),
        (["container=web"], True),
        (["container=abc1"], True),
        (["container=we"], False),
        (["image=web"], False),
        (["event=start", "event=stop"], True),
        (["event=stop"], False),
        (["status=start", "type=container"], True),
        (["type=volume"], False),
        (["label=a"], True),
        (["label=a=b"], True),
        (["label=a=c"], False),
        (["pod=p1"], True),
        (["volume=web"], False),
    ],
)
def test_filters(filters: list[str], passes: bool) -> None:
    assert event_words.chooser(filters)(event(Attributes={"a": "b"}, PodID="p123")) is passes


def test_filters_by_other_types() -> None:
    image = event(Type="image", Name="docker.io/library/alpine:latest", ID="f00")
    for text in ("image=alpine", "image=docker.io/library/alpine:latest", "image=sha256:f0", "IMAGE=f00"):
        assert event_words.chooser([text])(image), text
    assert not event_words.chooser(["image=pine"])(image)
    assert event_words.chooser(["event=die"])(event(Status="died"))
    assert event_words.chooser(["volume=v"])(event(Type="volume", Name="v"))


@pytest.mark.parametrize("text", ["bogus=1", "bogus", "label"])
def test_senseless_filters(text: str) -> None:
    with pytest.raises(PodError, match="failed to parse event filters: "):
        event_words.chooser([text])


def test_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    start = "2001-09-09 01:46:40.00000012 +0000 UTC"
    shown = event_words.line(event(Image="i", Attributes={"b": "2", "a": "1"}), truncate=True)
    assert shown == f"{start} container start abc123def456 (image=i, name=web, a=1, b=2)"
    health = event(Status="health_status", HealthStatus="healthy", HealthFailingStreak=2, HealthLog="x")
    assert event_words.line(health, truncate=False).endswith(
        "health_status abc123def456789 (image=, name=web, health_status=healthy, health_failing_streak=2, health_log=x)"
    )
    assert event_words.line(event(Type="image", Name="n", Error="why"), truncate=True).endswith(
        "start abc123def456 n why"
    )
    assert event_words.line(event(Type="volume"), truncate=True) == f"{start} volume start web"
    assert event_words.line(event(Type="system", Name=""), truncate=True) == f"{start} system start"
    assert event_words.line(event(Type="secret"), truncate=True) == f"{start} secret start abc123def456"


def test_document() -> None:
    assert event_words.document(event(ContainerExitCode=0, HealthStatus="healthy", Attributes={"a": "b"})) == {
        "ContainerExitCode": 0,
        "ID": "abc123def456789",
        "Name": "web",
        "Status": "start",
        "time": 10**9,
        "timeNano": 10**18 + 120,
        "Type": "container",
        "health_status": "healthy",
        "Attributes": {"a": "b"},
    }
