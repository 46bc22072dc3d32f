"""The keys of `--filter` for containers, as podman-ps(1) has them."""

from __future__ import annotations

from pod import filters, state
from pod.containers import restart
from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pod.containers.listing import Listed
    from pod.engine import Engine

    Test = Callable[[Listed], bool]

STATES = ("created", "initialized", "running", "paused", "restarting", "removing", "stopping", "stopped", "exited")
POLICIES = ("", "no", "never", "always", "on-failure", "unless-stopped")


def filtered(items: list[Listed], texts: list[str], engine: Engine) -> list[Listed]:
    """Return the containers that fit all filters. Raises PodError for a filter that makes no sense."""
    if not texts:
        return items
    return filters.select(items, filters.parse(texts), lambda key, values: test(engine, key, values))


def pruned(items: list[Listed], texts: list[str]) -> list[Listed]:
    """Return the containers that fit the filters of `container prune`: label, label! and until."""
    passes = filters.prunable(filters.parse(texts))
    return [item for item in items if passes(item.container.config["labels"], item.container.created)]


def test(engine: Engine, key: str, values: list[str]) -> Test:
    """Return the test for all values of one key."""
    if key in _ALTERNATIVES:
        fits = _ALTERNATIVES[key]
        return lambda item: any(fits(item, value) for value in values)
    if key in _WITH_ENGINE:
        return _WITH_ENGINE[key](engine, values)
    raise filters.unknown(key, [*_ALTERNATIVES, *_WITH_ENGINE])


def _has_id(item: Listed, text: str) -> bool:
    if all(letter in "0123456789abcdef" for letter in text.lower()):
        return item.container.id.startswith(text.lower())
    return filters.matches(text, item.container.id)


def _descends(item: Listed, text: str) -> bool:
    name = item.container.config["image_name"]
    image = item.container.image
    return filters.matches(text, name) or (len(text) >= 12 and image.startswith(text.removeprefix("sha256:")))


def _mounts_volume(item: Listed, text: str) -> bool:
    source, colon, target = text.partition(":")
    for mount in item.container.config["mounts"]:
        if colon:
            if (mount["source"], mount["target"]) == (source, target):
                return True
        elif text.rstrip("/") in (mount["source"].rstrip("/"), mount["target"].rstrip("/")):
            return True
    return False


def _starts_with(item: Listed, text: str) -> bool:
    words = item.command
    return bool(words) and filters.matches(text, words[0])


_ALTERNATIVES: dict[str, Callable[[Listed, str], bool]] = {
    "ancestor": _descends,
    "command": _starts_with,
    "id": _has_id,
    "name": lambda item, value: filters.matches(value, item.container.name),
    "volume": _mounts_volume,
}


def _networks(engine: Engine, values: list[str]) -> Test:
    # By name or ID, as the user likes; the modes are no networks, but can be asked for, too.
    query = "SELECT container, name, id FROM container_network JOIN network ON name = network"
    wanted = {
        row[0] for row in engine.connection.execute(query) if row[1] in values or row[2].startswith(tuple(values))
    }
    return lambda item: item.container.id in wanted or item.container.config["namespaces"]["network"] in values


def _labels(engine: Engine, values: list[str]) -> Test:
    return lambda item: filters.has_labels(item.container.config["labels"], values)


def _no_labels(engine: Engine, values: list[str]) -> Test:
    return lambda item: filters.lacks_labels(item.container.config["labels"], values)


def _status(engine: Engine, values: list[str]) -> Test:
    for value in values:
        if value not in STATES and value != "unknown":
            raise PodError(f"unknown container state: {value}: invalid argument", hint="known are " + ", ".join(STATES))
    wanted = {"exited" if value == "stopped" else value for value in values}
    return lambda item: item.status.state in wanted


def _exited(engine: Engine, values: list[str]) -> Test:
    codes = set()
    for value in values:
        try:
            codes.add(int(value))
        except ValueError:
            raise PodError(
                f'exited code out of range "{value}": strconv.ParseInt: parsing "{value}": invalid syntax'
            ) from None
    return lambda item: item.status.state == "exited" and item.status.exit_code in codes


def _before(engine: Engine, values: list[str]) -> Test:
    moment = min(state.find_container(engine.connection, value).created for value in values)
    return lambda item: item.container.created < moment


def _since(engine: Engine, values: list[str]) -> Test:
    moment = min(state.find_container(engine.connection, value).created for value in values)
    return lambda item: item.container.created > moment


def _until(engine: Engine, values: list[str]) -> Test:
    limit = filters.until(values)
    return lambda item: item.container.created < limit


def _health(engine: Engine, values: list[str]) -> Test:
    from pod.containers.health import checks as health

    return lambda item: item.status.is_running and health.status(engine.config, item.container) in values


def _restart_policy(engine: Engine, values: list[str]) -> Test:
    for value in values:
        if value not in POLICIES:
            raise PodError(f"{value} invalid restart policy", hint="known are " + ", ".join(POLICIES[1:]))
    wanted = {"" if value in ("no", "never") else value for value in values}
    return lambda item: restart_policy(item.container.config) in wanted


def restart_policy(config: Any) -> str:
    """Return the name of a container's restart policy, empty for none."""
    name = (config.get("restart") or {}).get("policy", "")
    return "" if name in ("no", "never") else str(name)


def _on_boot(engine: Engine, values: list[str]) -> Test:
    wanted = {filters.boolean("should-start-on-boot", value) for value in values}
    return lambda item: restart.starts_on_boot(engine.config, item.container) in wanted


def _pod(engine: Engine, values: list[str]) -> Test:
    from pod.pods import rows

    names = rows.names(engine.connection)
    wanted = {key for key, name in names.items() if name in values or key.startswith(tuple(filter(None, values)))}
    return lambda item: item.container.config["pod"]["id"] in wanted


_WITH_ENGINE: dict[str, Callable[[Engine, list[str]], Test]] = {
    "before": _before,
    "exited": _exited,
    "health": _health,
    "label": _labels,
    "label!": _no_labels,
    "network": _networks,
    "pod": _pod,
    "restart-policy": _restart_policy,
    "should-start-on-boot": _on_boot,
    "since": _since,
    "status": _status,
    "until": _until,
}
