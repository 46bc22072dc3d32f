"""The ports of containers that the host passes on, as the configuration's `ports` has them.

An entry has podman's names: host_ip (empty for every address), container_port, host_port, range, protocol.
"""

from __future__ import annotations

from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from typing import Any

    from pod.state import Container


class Asked:
    """A port of the container that somebody asks for, and how it was written."""

    __slots__ = ("number", "protocol", "text")

    def __init__(self, text: str, number: int, protocol: str) -> None:
        self.text = text
        self.number = number
        self.protocol = protocol


def parse(text: str) -> Asked:
    """Return what "PORT[/PROTOCOL]" asks for. Raises PodError, with podman's words."""
    number, separator, protocol = text.partition("/")
    if "/" in protocol:
        raise PodError(f"port formats are port/protocol. '{text}' is invalid")
    if not (number.isascii() and number.isdigit()):
        raise PodError(f'strconv.ParseUint: parsing "{number}": invalid syntax')
    if int(number) > 0xFFFF:
        raise PodError(f'strconv.ParseUint: parsing "{number}": value out of range')
    return Asked(text, int(number), protocol if separator else "tcp")


def published(connection: sqlite3.Connection, container: Container) -> list[dict[str, Any]]:
    """Return what the host passes on to a container: to one in a pod, with whose network, what it does to the pod."""
    found: list[dict[str, Any]] = container.config["ports"]
    word, _, other = container.config["namespaces"]["network"].partition(":")
    if found or word != "container" or not container.config["pod"]["id"]:
        return found
    from pod import state

    holder = state.container(connection, other)
    return [] if holder is None else holder.config["ports"]


def lines(mappings: list[dict[str, Any]], port: Asked | None = None) -> list[str]:
    """Return what `pod port` prints of a container, or of one of its ports; PodError if that is not published."""
    if port is None:
        return [line for mapping in mappings for line in _all(mapping)]
    for mapping in mappings:
        first = mapping["container_port"]
        if port.protocol in mapping["protocol"].split(",") and first <= port.number < first + mapping["range"]:
            return [f"{_address(mapping)}:{mapping['host_port'] + port.number - first}"]
    if mappings:
        raise PodError(f'failed to find published port "{port.text}"')
    return []


def _all(mapping: dict[str, Any]) -> list[str]:
    address = _address(mapping)
    return [
        f"{mapping['container_port'] + number}/{protocol} -> {address}:{mapping['host_port'] + number}"
        for protocol in mapping["protocol"].split(",")
        for number in range(mapping["range"])
    ]


def _address(mapping: dict[str, Any]) -> str:
    address: str = mapping["host_ip"] or "0.0.0.0"
    return f"[{address}]" if ":" in address else address
