"""Which networks `network ls` shows, and by which filters. Source: podman-network-ls(1)."""

from __future__ import annotations

from pod import filters
from pod.errors import PodError
from pod.networks import leases, rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pod.engine import Engine
    from pod.networks.network import Network

    Test = Callable[[Network], bool]

KEYS = ("dangling", "driver", "id", "label", "label!", "name", "until")


def everything(engine: Engine) -> list[Network]:
    """Return all networks by name; the default one as well, although it is made at its first need."""
    found = rows.everything(engine.connection)
    if all(network.name != leases.default_name(engine) for network in found):
        found.append(leases.default(engine))
    return sorted(found, key=lambda network: network.name)


def find(engine: Engine, name: str) -> Network:
    """Return a network by name or ID. Raises NoSuchNetworkError."""
    try:
        return rows.find(engine.connection, name)
    except rows.NoSuchNetworkError:
        if name != leases.default_name(engine):
            raise
        return leases.default(engine)


def chosen(engine: Engine, texts: list[str]) -> list[Network]:
    """Return the networks that fit the filters. Raises PodError for a filter that is none."""
    return filters.select(everything(engine), parse_filters(texts), lambda key, values: _test(engine, key, values))


def parse_filters(texts: list[str], known: tuple[str, ...] = KEYS) -> dict[str, list[str]]:
    """Return the values of each filter. Raises PodError, with podman's words, for what is none."""
    for text in texts:
        if "=" not in text:
            raise PodError(f"filter input must be in the form of filter=value: {text} is invalid")
    found = filters.parse(texts)
    for key in found:
        if key not in known:
            raise PodError(f'invalid filter "{key}"', hint="known are " + ", ".join(known))
    return found


def _dangling(value: str) -> bool:
    try:
        return filters.boolean("dangling", value)
    except PodError as error:
        raise PodError(f'invalid dangling filter value "{value}"', hint=error.hint) from None


def _test(engine: Engine, key: str, values: list[str]) -> Test:
    if key == "name":
        return lambda network: any(filters.matches(value, network.name) for value in values)
    if key == "driver":
        return lambda network: network.driver in values
    if key == "id":
        return lambda network: any(filters.matches(f"^{value}", network.id) for value in values)
    if key == "label":
        return lambda network: filters.has_labels(network.document.get("labels") or {}, values)
    if key == "label!":
        return lambda network: filters.lacks_labels(network.document.get("labels") or {}, values)
    if key == "until":
        limit = filters.until(values)
        return lambda network: network.created < limit
    wanted = {_dangling(value) for value in values}
    used = {row[0] for row in engine.connection.execute("SELECT DISTINCT network FROM container_network")}
    used.add(leases.default_name(engine))
    return lambda network: (network.name not in used) in wanted
