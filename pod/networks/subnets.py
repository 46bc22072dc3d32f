"""Ranges of addresses: reading and writing them, which overlap, which are free; what the host has routes to.

An address is (width, number): 32 bits of IPv4, 128 of IPv6. Source of the defaults: containers.conf(5), [network].
"""

from __future__ import annotations

import posix
from _socket import AF_INET, AF_INET6, inet_ntop, inet_pton

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

DEFAULT = "10.88.0.0/16"
# Where networks without a subnet of their own get one, and how long its prefix is.
POOLS = (("10.89.0.0/16", 24), ("10.90.0.0/15", 24), ("10.92.0.0/14", 24), ("10.96.0.0/11", 24), ("10.128.0.0/9", 24))


class Range:
    """The addresses that have a prefix in common."""

    __slots__ = ("first", "prefix", "width")

    def __init__(self, width: int, first: int, prefix: int) -> None:
        self.width = width
        self.prefix = prefix
        self.first = first >> (width - prefix) << (width - prefix)

    def __str__(self) -> str:
        return f"{written(self.width, self.first)}/{self.prefix}"

    @property
    def last(self) -> int:
        """The highest address, of IPv4 the one for broadcasts."""
        return self.first | ((1 << (self.width - self.prefix)) - 1)

    def contains(self, address: tuple[int, int]) -> bool:
        """Tell whether an address is one of these."""
        return address[0] == self.width and self.first <= address[1] <= self.last

    def overlaps(self, other: Range) -> bool:
        """Tell whether the two have an address in common."""
        return self.width == other.width and self.first <= other.last and other.first <= self.last


def address(text: str) -> tuple[int, int]:
    """Return width and number of an address. Raises ValueError."""
    family = AF_INET6 if ":" in text else AF_INET
    try:
        packed = inet_pton(family, text)
    except (OSError, ValueError):
        raise ValueError(text) from None
    return len(packed) * 8, int.from_bytes(packed, "big")


def written(width: int, number: int) -> str:
    """Return an address as text."""
    return inet_ntop(AF_INET if width == 32 else AF_INET6, number.to_bytes(width // 8, "big"))


def normal(text: str) -> str:
    """Return the usual way to write an address. Raises ValueError."""
    return written(*address(text))


def parse(text: str) -> Range:
    """Return the range that ADDRESS/PREFIX names. Raises ValueError."""
    base, slash, prefix = text.partition("/")
    width, number = address(base)
    if not (slash and prefix.isascii() and prefix.isdecimal() and int(prefix) <= width):
        raise ValueError(text)
    return Range(width, number, int(prefix))


def free(taken: Iterable[Range], pools: Iterable[tuple[str, int]] = POOLS) -> Range | None:
    """Return the first range of the pools that overlaps none of `taken`; None if there is none."""
    taken = list(taken)
    for text, prefix in pools:
        pool = parse(text)
        step = 1 << (pool.width - prefix)
        for first in range(pool.first, pool.last, step):
            found = Range(pool.width, first, prefix)
            if not any(found.overlaps(other) for other in taken):
                return found
    return None


def unique_local() -> Range:
    """Return a random IPv6 range of 64 bits that nobody else has (RFC 4193)."""
    return Range(128, int.from_bytes(b"\xfd" + posix.urandom(7), "big") << 64, 64)


def candidates(subnet: dict[str, Any]) -> Iterator[str]:
    """Return the addresses of a network's subnet that containers may have, in order."""
    whole = parse(subnet["subnet"])
    # The first one is the network's own name, the last one of IPv4 is for broadcasts.
    first, last = whole.first + 1, whole.last - (whole.width == 32)
    limits = subnet.get("lease_range") or {}
    if limits.get("start_ip"):
        first = max(first, address(limits["start_ip"])[1])
    if limits.get("end_ip"):
        last = min(last, address(limits["end_ip"])[1])
    gateway = subnet.get("gateway", "")
    for number in range(first, last + 1):
        text = written(whole.width, number)
        if text != gateway:
            yield text


def routed() -> list[Range]:
    """Return the ranges that the host has routes to, but for the default routes and those of single hosts' devices."""
    found = []
    for line in _lines("/proc/net/route")[1:]:
        words = line.split()
        number, mask = (int.from_bytes(bytes.fromhex(words[index])[::-1], "big") for index in (1, 7))
        if mask:
            found.append(Range(32, number, mask.bit_count()))
    for line in _lines("/proc/net/ipv6_route"):
        words = line.split()
        prefix, number = int(words[1], 16), int(words[0], 16)
        if prefix and number >> 118 != 0x3FA:  # fe80::/10 is on every link
            found.append(Range(128, number, prefix))
    return found


def interfaces() -> set[str]:
    """Return the names of the host's network interfaces."""
    return {line.partition(":")[0].strip() for line in _lines("/proc/net/dev")[2:]}


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().splitlines()
    except OSError:
        return []
