"""Reads a command line word by word as pflag does, to bring it into the one form that Typer reads alike.

Used off the fast path only: it knows all spellings (`-it`, `-eA=b`, `--rm=false`), and its complaints are podman's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pod.cli.fastargs import FALSE, TRUE
from pod.errors import UsageError
from pod.names import distance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any


class Words:
    """One command line, taken apart by the declarations of Typer's parameters."""

    def __init__(
        self, command: str, options: Sequence[Any], inherited: Sequence[Any], *, interspersed: bool = True
    ) -> None:
        self.command = command
        self.interspersed = interspersed
        self.known = {flag: option for option in inherited for flag in option.opts if flag.startswith("--")}
        self.foreign = set(map(id, self.known.values()))
        for option in options:
            self.known.update(dict.fromkeys(option.opts, option))
            self.foreign.discard(id(option))
        self.flags: dict[str, tuple[Any, bool]] = {}
        self.own: list[str] = []
        self.others: list[str] = []
        self.positionals: list[str] = []

    def read(self, args: Sequence[str]) -> None:
        """Take the line apart; raise UsageError at the first thing that is wrong."""
        rest = list(args)
        while rest:
            word = rest.pop(0)
            if len(word) < 2 or word[0] != "-":
                self.positionals.append(word)
                if not self.interspersed:
                    break
            elif word == "--":
                break
            elif word[1] == "-":
                self.long(word, rest)
            else:
                self.short(word[1:], rest)
        self.positionals += rest

    def canonical(self) -> list[str]:
        """Return the command's own line: options, flags that are on, then `--` and the words that are none."""
        on = [flag for flag, (option, value) in self.flags.items() if value and id(option) not in self.foreign]
        return [*self.own, *on, *(["--", *self.positionals] if self.positionals else [])]

    def off(self) -> list[Any]:
        """Return the flags that were switched off with `--flag=false`."""
        return [option for option, value in self.flags.values() if not value]

    def long(self, word: str, rest: list[str]) -> None:
        """Take `--flag`, `--flag=value` or `--flag value`."""
        flag, equals, value = word.partition("=")
        option = self.known.get(flag)
        if option is None:
            raise self.unknown(flag)
        if option.is_flag:
            self.switch(option, value if equals else "true")
        elif equals:
            self.value(flag, option, value)
        elif rest:
            self.value(flag, option, rest.pop(0))
        else:
            raise self.wrong(f"flag needs an argument: {flag}")

    def unknown(self, flag: str) -> UsageError:
        """Return the error for a flag that there is not, with the one that was perhaps meant."""
        error = self.wrong(f"unknown flag: {flag}")
        known = [name for name, option in self.known.items() if name.startswith("--") and not option.hidden]
        nearest = min(known, key=lambda name: distance(flag, name), default="")
        if nearest and distance(flag, nearest) <= max(1, len(flag) // 4):
            error.hint = f"did you mean {nearest}?"
        return error

    def short(self, letters: str, rest: list[str]) -> None:
        """Take a cluster of short flags: `-it`, `-eA=b`, `-e=A=b`, `-e A=b`."""
        while letters:
            flag = "-" + letters[0]
            option = self.known.get(flag)
            if option is None:
                raise self.wrong(f"unknown shorthand flag: '{letters[0]}' in -{letters}")
            after = letters[1:]
            if len(after) > 1 and after[0] == "=":
                if option.is_flag:
                    self.switch(option, after[1:])
                else:
                    self.value(flag, option, after[1:])
                return
            if option.is_flag:
                self.switch(option, "true")
                letters = after
                continue
            if not after and not rest:
                raise self.wrong(f"flag needs an argument: '{letters[0]}' in -{letters}")
            self.value(flag, option, after or rest.pop(0))
            return

    def switch(self, option: Any, text: str) -> None:
        """Note that a flag is on or off; the last word counts."""
        if text not in TRUE and text not in FALSE:
            raise self.invalid(option, text, "strconv.ParseBool", "invalid syntax")
        self.flags[option.opts[0]] = option, text in TRUE

    def value(self, flag: str, option: Any, text: str) -> None:
        """Note an option's value, numbers in the spelling that Typer reads."""
        kind = option.type.name
        if kind.startswith("int"):
            text = str(self.number(option, text, go_integer, "strconv.ParseInt"))
        elif kind.startswith("float"):
            text = str(self.number(option, text, float, "strconv.ParseFloat"))
        (self.others if id(option) in self.foreign else self.own).extend((flag, text))

    def number(self, option: Any, text: str, convert: Callable[[str], float], function: str) -> float:
        """Return the number, checked against the option's range."""
        low, high = getattr(option.type, "min", None), getattr(option.type, "max", None)
        if low == 0 and function == "strconv.ParseInt":
            function = "strconv.ParseUint"
        try:
            number = convert(text)
        except ValueError:
            raise self.invalid(option, text, function, "invalid syntax") from None
        if (low is not None and number < low) or (high is not None and number > high):
            raise self.invalid(option, text, function, "invalid syntax" if low == 0 > number else "value out of range")
        return number

    def invalid(self, option: Any, text: str, function: str, what: str) -> UsageError:
        """Return the error for a value that the flag cannot have, in Go's words."""
        return self.wrong(f'invalid argument "{text}" for "{names(option)}" flag: {function}: parsing "{text}": {what}')

    def wrong(self, message: str) -> UsageError:
        """Return the error, with the pointer to the command's help."""
        return UsageError(message, command=self.command)


def go_integer(text: str) -> int:
    """Read an integer as Go's strconv does with base 0."""
    digits = text.lstrip("+-")
    if len(digits) > 1 and digits.isdigit() and digits[0] == "0":
        return int(text, 8)
    return int(text, 0)


def names(option: Any) -> str:
    """Return a flag's short and long names as pflag prints them."""
    long = next((flag for flag in option.opts if flag.startswith("--")), "")
    short = next((flag for flag in option.opts if not flag.startswith("--")), "")
    return ", ".join(filter(None, (short, long)))


def check_count(command: str, arguments: Sequence[Any], received: int) -> None:
    """Raise UsageError unless so many positional arguments fit."""
    least = sum(1 for argument in arguments if argument.required)
    most = None if any(argument.nargs == -1 for argument in arguments) else len(arguments)
    if received >= least and (most is None or received <= most):
        return
    if most is None:
        raise UsageError(f"requires at least {least} arg(s), only received {received}")
    if most == 0:
        raise UsageError(f"`{command}` takes no arguments")
    if least == most:
        raise UsageError(f"accepts {most} arg(s), received {received}")
    if least == 0:
        raise UsageError(f"accepts at most {most} arg(s), received {received}")
    raise UsageError(f"accepts between {least} and {most} arg(s), received {received}")


def suggestions(typed: str, commands: Sequence[str], *, distant: bool = True) -> list[str]:
    """Return the commands that were perhaps meant: beginning with what was typed, or near to it if `distant`."""
    typed = typed.lower()
    return [name for name in commands if name.startswith(typed) or (distant and distance(typed, name) <= 2)]
