"""`--filter` of `volume ls`. Source: podman-volume-ls(1)."""

from __future__ import annotations

from pod import filters, state
from pod.errors import NoSuchVolumeError, PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pod.engine import Engine
    from pod.state import Volume

    Test = Callable[[Volume], bool]

KEYS = tuple("after anonymous dangling driver label label! name opt scope since until".split())


def chosen(engine: Engine, volumes: Sequence[Volume], texts: Iterable[str]) -> list[Volume]:
    """Return the volumes that fit the filters. Raises PodError for a filter that is none."""
    wanted: dict[str, list[str]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise PodError(f"filter input must be in the form of filter=value: {text} is invalid")
        wanted.setdefault(key, []).append(value)
    return filters.select(volumes, wanted, lambda key, values: _test(engine, key, values))


def _test(engine: Engine, key: str, values: list[str]) -> Test:
    """Return the test that the values of one key are: alternatives, but for labels."""
    if key == "name":
        return lambda volume: any(filters.matches(value, volume.name) for value in values)
    if key == "driver":
        return lambda volume: "local" in values
    if key == "scope":
        return lambda volume: "local" in values
    if key == "label":
        return lambda volume: filters.has_labels(volume.labels, values)
    if key == "label!":
        return lambda volume: filters.lacks_labels(volume.labels, values)
    if key == "opt":
        return lambda volume: any(_has_option(volume, value) for value in values)
    if key in ("anonymous", "dangling"):
        return _boolean(engine, key, values)
    if key == "until":
        limit = filters.until(values)
        return lambda volume: volume.created < limit
    if key in ("after", "since"):
        earliest = max(_created(engine, value) for value in values)
        return lambda volume: volume.created > earliest
    raise PodError(f'"{key}" is an invalid volume filter', hint="known are " + ", ".join(KEYS))


def _has_option(volume: Volume, text: str) -> bool:
    name, equals, value = text.partition("=")
    return name in volume.options and (not equals or volume.options[name] == value)


def _boolean(engine: Engine, key: str, values: list[str]) -> Test:
    expected = []
    for value in values:
        if value.lower() not in ("true", "false", "1", "0", "t", "f"):
            raise PodError(f'"{value}" is not a valid value for the "{key}" filter - must be true or false')
        expected.append(value.lower() in ("true", "1", "t"))
    if key == "anonymous":
        return lambda volume: volume.anonymous in expected
    return lambda volume: (not state.volume_users(engine.connection, volume.name)) in expected


def _created(engine: Engine, name: str) -> float:
    try:
        return state.find_volume(engine.connection, name).created
    except NoSuchVolumeError as error:
        raise PodError(f"no such volume {name}") from error
