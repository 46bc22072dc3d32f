import json
import os

import pytest

from pod import events, settings
from pod.config import Config
from runtime.monitor import eventlog
from runtime.monitor.eventlog import EventLog


@pytest.fixture(name="config")
def configuration(tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setattr(settings, "current", settings.Settings())
    root = os.fspath(tmp_path)
    return Config(graphroot=root, runroot=root, uid=0, rootless=False, home="/", user="")


def written(config: Config, suffix: str = "") -> list[dict[str, object]]:
    with open(events.path(config) + suffix) as file:
        return [json.loads(line) for line in file]


def test_an_event_has_podmans_fields(config: Config) -> None:
    events.record(
        config,
        "container",
        "died",
        id="c" * 64,
        name="web",
        image="localhost/a:latest",
        attributes={"k": 'a"\nü'},
        fields={"ContainerExitCode": 3},
    )
    (event,) = written(config)
    assert isinstance(event.pop("Time"), int)
    assert event == {
        "Status": "died",
        "Name": "web",
        "ContainerExitCode": 3,
        "Type": "container",
        "ID": "c" * 64,
        "Image": "localhost/a:latest",
        "Attributes": {"k": 'a"\nü'},
    }


def test_what_is_over_the_limit_is_kept_once(config: Config) -> None:
    config.engine["events_logfile_max_size"] = "1k"
    for number in range(40):
        events.record(config, "volume", "create", name=f"v{number}")
    names = [event["Name"] for event in written(config, ".1") + written(config)]
    assert names == [f"v{number}" for number in range(40 - len(names), 40)]
    assert 10 < len(names) < 40
    assert os.path.getsize(events.path(config) + ".1") < 2048


@pytest.mark.parametrize("limit", ["soon", -1, 0, True, None])
def test_a_senseless_limit_is_the_default(config: Config, limit: object) -> None:
    config.engine["events_logfile_max_size"] = limit
    assert events.limit(config) in (events.DEFAULT_LIMIT, 1)


def test_recording_never_raises(config: Config) -> None:
    config.engine["events_logfile_path"] = "/proc/no/such/directory"
    events.record(config, "system", "refresh")
    config.engine["events_logfile_path"] = "/dev/full"
    events.record(config, "system", "refresh")


def test_backend_none_writes_nothing(config: Config) -> None:
    config.engine["events_logger"] = "none"
    events.record(config, "system", "refresh")
    assert os.listdir(config.graphroot) == []
    settings.current.events_backend = "file"  # the command line overrules
    events.record(config, "system", "refresh")
    assert written(config)


def test_a_monitor_tells_of_its_moments_under_the_present_name(config: Config) -> None:
    log = events.writer(config, "container", id="1", name="old", directory=config.runroot)
    log = EventLog.thaw(log.freeze())
    log.reach(eventlog.STARTED)
    with open(f"{config.runroot}/name", "w") as file:
        file.write("new\n")
    log.reach(eventlog.ENDED, {"ContainerExitCode": 0, "Error": "näh"})
    assert [(one["Status"], one["Name"], one.get("Error")) for one in written(config)] == [
        ("start", "old", None),
        ("died", "new", "näh"),
    ]


@pytest.mark.parametrize("text", ["", "plain", 'q"\\', "a\x00\x1f\x7f\n", "é\u2028", "😀", "\udcff"])
def test_quoted_is_json(text: str) -> None:
    found = eventlog.quoted(text)
    assert found.isascii()
    assert json.loads(found) == text
