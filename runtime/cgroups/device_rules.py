"""The rules of `linux.resources.devices` reduced to what the kernel's controller keeps: a default and exceptions."""

from __future__ import annotations

from runtime.errors import SpecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MKNOD, READ, WRITE = 1, 2, 4
_ALL = MKNOD | READ | WRITE
_LETTERS = {"r": READ, "w": WRITE, "m": MKNOD}
WILDCARD = -1

# What every container may use: to make any node; null, zero, full, random, urandom, tty, ptmx, pts.
_ALWAYS = (
    ("c", WILDCARD, WILDCARD, MKNOD),
    ("b", WILDCARD, WILDCARD, MKNOD),
    ("c", 1, 3, _ALL),
    ("c", 1, 5, _ALL),
    ("c", 1, 7, _ALL),
    ("c", 1, 8, _ALL),
    ("c", 1, 9, _ALL),
    ("c", 5, 0, _ALL),
    ("c", 5, 2, _ALL),
    ("c", 136, WILDCARD, _ALL),
)
Device = tuple[str, int, int]  # c or b, major, minor


class DeviceAccess:
    """Whether devices are allowed, and for which it is the other way round with which kinds of access."""

    __slots__ = ("allow", "exceptions")

    def __init__(self) -> None:
        self.allow = False
        self.exceptions: dict[Device, int] = {}

    def add(self, allow: bool, device: Device, access: int) -> None:
        """Apply one rule to what the rules before it made."""
        if allow != self.allow:
            self.exceptions[device] = self.exceptions.get(device, 0) | access
            return
        for other in list(self.exceptions):
            if _covers(device, other):
                self.exceptions[other] &= ~access
                if not self.exceptions[other]:
                    del self.exceptions[other]
            elif _covers(other, device) and self.exceptions[other] & access:
                raise SpecError(
                    f"linux.resources.devices: a rule for {format_device(device)} cannot restrict"
                    f" the earlier one for {format_device(other)}"
                )


def reduce_rules(rules: list[dict[str, Any]]) -> DeviceAccess:
    """Reduce the rules, in their order, from a start where nothing is allowed; add what is always allowed."""
    result = DeviceAccess()
    for index, rule in enumerate(rules):
        access = _parse_access(rule.get("access"), f"linux.resources.devices[{index}].access")
        kind = rule.get("type") or "a"
        major, minor = _parse_number(rule.get("major")), _parse_number(rule.get("minor"))
        allow = bool(rule.get("allow"))
        if kind not in ("a", "b", "c", "u"):
            raise SpecError(f"linux.resources.devices: unknown type {kind!r}")
        if kind == "a" and access == _ALL and major == minor == WILDCARD:
            result = DeviceAccess()
            result.allow = allow
            continue
        for each in ("c", "b") if kind == "a" else ("b" if kind == "b" else "c",):
            result.add(allow, (each, major, minor), access)
    if not result.allow:
        for kind, major, minor, access in _ALWAYS:
            result.add(True, (kind, major, minor), access)
    return result


def format_device(device: Device) -> str:
    """Return `c 1:3`, with stars for any number."""
    kind, major, minor = device
    return f"{kind} {'*' if major == WILDCARD else major}:{'*' if minor == WILDCARD else minor}"


def format_access(access: int) -> str:
    """Return the letters of `rwm`."""
    return "".join(letter for letter, bit in _LETTERS.items() if access & bit)


def _covers(wider: Device, narrower: Device) -> bool:
    return wider[0] == narrower[0] and wider[1] in (WILDCARD, narrower[1]) and wider[2] in (WILDCARD, narrower[2])


def _parse_access(text: Any, name: str) -> int:
    access = 0
    for letter in text or "rwm":
        if letter not in _LETTERS:
            raise SpecError(f"{name}: unknown access {text!r}")
        access |= _LETTERS[letter]
    return access


def _parse_number(number: Any) -> int:
    if number is None or number == WILDCARD:
        return WILDCARD
    if not isinstance(number, int) or not 0 <= number < 1 << 31:
        raise SpecError(f"linux.resources.devices: {number!r} is not a device number")
    return number
