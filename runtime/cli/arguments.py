"""Reading the command line, by hand: Go's way to write options as callers of runc do, and GNU's as those of crun."""

from __future__ import annotations

from runtime.cli import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.cli.table import Option

    Options = dict[str, str | bool | list[str]]

_TRUE = ("true", "1", "t", "T", "TRUE", "True")
_FALSE = ("false", "0", "f", "F", "FALSE", "False")


class UsageError(Exception):
    """The command line is wrong."""


class CommandLine:
    """What was asked: global options, the verb, its options, its arguments."""

    __slots__ = ("arguments", "globals", "options", "verb")

    def __init__(self) -> None:
        self.globals: Options = {}
        self.verb = ""
        self.options: Options = {}
        self.arguments: list[str] = []

    def read(self, words: Sequence[str]) -> CommandLine:
        """Read all words; after a UsageError what came before the mistake is there, the log among it."""
        rest = _Reader(table.GLOBAL, self.globals).read(words, in_order=True)
        if not rest:
            return self
        self.verb = rest[0]
        if self.verb in ("help", "h"):
            self.globals["help"], self.verb = True, rest[1] if len(rest) > 1 else ""
        if self.verb and self.verb not in table.VERBS:
            raise UsageError(f"unknown command `{self.verb}`: `{table.NAME} --help` lists them")
        if self.verb and not self.globals.get("help"):
            self._read_verb(rest[1:])
        return self

    def _read_verb(self, words: Sequence[str]) -> None:
        _form, least, most, _explanation, options = table.VERBS[self.verb]
        reader = _Reader((*options, table.HELP), self.options)
        self.arguments = reader.read(words, in_order=self.verb in table.IN_ORDER)
        count = len(self.arguments)
        if self.options.get("help") or least <= count <= (count if most < 0 else most):
            return
        how = "exactly" if least == most else "a minimum of" if count < least else "a maximum of"
        raise UsageError(f'"{self.verb}" requires {how} {least if count < least else most} argument(s)')

    def text(self, name: str) -> str | None:
        """Return the value of an option of the verb, None if it was not given."""
        value = self.options.get(name)
        return value if isinstance(value, str) else None

    def number(self, name: str) -> int | None:
        """Return the value of an option of the verb as a whole number, None if it was not given."""
        value = self.text(name)
        if value is None:
            return None
        digits = value.removeprefix("-")
        if not digits.isascii() or not digits.isdigit():
            raise UsageError(f"--{name} needs a number, not `{value}`")
        return int(value)

    def count(self, name: str) -> int:
        """Return how many an option of the verb asks for, none if it was not given."""
        value = self.number(name) or 0
        if value < 0:
            raise UsageError(f"--{name} needs a number that is not negative, not `{value}`")
        return value

    def texts(self, name: str) -> list[str]:
        """Return the values of an option that may be given several times."""
        value = self.options.get(name)
        return value if isinstance(value, list) else []

    def is_set(self, name: str) -> bool:
        """Tell whether a switch of the verb is on."""
        return bool(self.options.get(name))


class _Reader:
    """Reads options that are known into `found`."""

    __slots__ = ("found", "known", "short")

    def __init__(self, options: Sequence[Option], found: Options) -> None:
        self.known = {name: bool(value) for name, _short, value, _help in options}
        self.short = {short: name for name, short, _value, _help in options if short}
        self.found = found

    def read(self, words: Sequence[str], *, in_order: bool) -> list[str]:
        """Return the words that are no options; `in_order`: the first of them ends the options."""
        rest: list[str] = []
        index = 0
        while index < len(words):
            word = words[index]
            index += 1
            if word == "--":
                return [*rest, *words[index:]]
            if not word.startswith("-") or word == "-":
                rest.append(word)
                if in_order:
                    return [*rest, *words[index:]]
                continue
            index += self._take(word, words[index] if index < len(words) else None)
        return rest

    def _take(self, word: str, following: str | None) -> int:
        """Take in one word of options; return how many of the words after it belong to it."""
        name, equals, value = word.lstrip("-").partition("=")
        name = self.short.get(name, name)
        if name not in self.known:
            if word.startswith("--") or word[1] not in self.short:
                raise UsageError(f"flag provided but not defined: {word}")
            return self._take_cluster(word[1:], following)
        if not self.known[name]:
            self.found[name] = _switch(name, value) if equals else True
            return 0
        if equals:
            self._add(name, value)
            return 0
        return self._take_value(name, following)

    def _take_cluster(self, letters: str, following: str | None) -> int:
        """Take in short options in one word, the last of which may have its value attached: `-dp FILE`, `-pFILE`."""
        for index, letter in enumerate(letters):
            name = self.short.get(letter)
            if name is None:
                raise UsageError(f"flag provided but not defined: -{letter} in -{letters}")
            if self.known[name]:
                if index + 1 < len(letters):
                    self._add(name, letters[index + 1 :])
                    return 0
                return self._take_value(name, following)
            self.found[name] = True
        return 0

    def _take_value(self, name: str, following: str | None) -> int:
        if following is None:
            # podman looks for these very words to learn whether the option exists.
            raise UsageError(f"flag needs an argument: --{name}")
        self._add(name, following)
        return 1

    def _add(self, name: str, value: str) -> None:
        earlier = self.found.get(name)
        if name not in table.REPEATED:
            self.found[name] = value
        elif isinstance(earlier, list):
            earlier.append(value)
        else:
            self.found[name] = [value]


def _switch(name: str, value: str) -> bool:
    if value not in _TRUE and value not in _FALSE:
        raise UsageError(f"--{name} is true or false, not `{value}`")
    return value in _TRUE
