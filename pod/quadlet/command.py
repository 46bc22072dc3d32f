"""A command line of pod's in a service, put together from the keys of a file."""

from __future__ import annotations

from pod.quadlet.quoting import quote_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.quadlet.units import Unit


class Command:
    """Words; the first are the program and its global flags."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.words = [unit.units.command]
        self.words += [f"--module={module}" for module in unit.strings("ContainersConfModule")]
        self.words += unit.words("GlobalArgs")

    def add(self, *words: str) -> None:
        """Add words."""
        self.words += words

    def add_boolean(self, flag: str, value: bool) -> None:
        """Add a flag, or its opposite."""
        self.words.append(flag if value else f"{flag}=false")

    def add_strings(self, flags: dict[str, str]) -> None:
        """Add, for each key that has a value, its flag and the last value."""
        for key, flag in flags.items():
            value = self.unit.string(key)
            if value:
                self.words += [flag, value]

    def add_all_strings(self, flags: dict[str, str]) -> None:
        """Add, for each key, its flag with each of the values."""
        for key, flag in flags.items():
            for value in self.unit.strings(key):
                self.words += [flag, value]

    def add_booleans(self, flags: dict[str, str]) -> None:
        """Add, for each key that is given, its flag or the opposite."""
        for key, flag in flags.items():
            value = self.unit.boolean(key)
            if value is not None:
                self.add_boolean(flag, value)

    def add_pairs(self, flags: dict[str, str]) -> None:
        """Add, for each key, its flag with each of the assignments in its values."""
        for key, flag in flags.items():
            for name, value in self.unit.pairs(key).items():
                self.words += [flag, name if value is None else f"{name}={value}"]

    def into(self, key: str, *, may_fail: bool = False) -> None:
        """Let the service run it: `key` is ExecStart, ExecStop …; if it may fail, that does not count."""
        self.unit.service.add("Service", key, ("-" if may_fail else "") + quote_words(self.words))
