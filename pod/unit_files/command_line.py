"""The line that created a container or a pod, taken apart flag by flag, so that a unit can say it once more.

It is read by the declarations of the command that it called, as the fast reader does.
"""

from __future__ import annotations

from pod.cli import fastargs, global_options
from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType


class Flag:
    """A flag as it was said: its words, the name of its parameter, its value."""

    __slots__ = ("name", "value", "words")

    def __init__(self, name: str, words: list[str], value: str) -> None:
        self.name = name
        self.words = words
        self.value = value


class CreateCommand:
    """What is before the command, its flags, and what follows them: the image and the program's words, or a name."""

    __slots__ = ("flags", "leading", "rest")

    def __init__(self, leading: list[str], flags: list[Flag], rest: list[str]) -> None:
        self.leading = leading
        self.flags = flags
        self.rest = rest

    def last(self, name: str) -> Flag | None:
        """Return the flag of that name which counts."""
        return next((flag for flag in reversed(self.flags) if flag.name == name), None)

    def words(self, but: Sequence[str]) -> list[str]:
        """Return the flags again, without those of some names."""
        return [word for flag in self.flags if flag.name not in but for word in flag.words]


def read(line: list[str], called: Sequence[Sequence[str]], module: ModuleType) -> CreateCommand:
    """Take a command line apart, program first.

    `called` are the words by which it may have called the command of `module`. Raises PodError for a line that is none
    of these.
    """
    head = fastargs.read_leading(fastargs.Reader(global_options.main), line[1:])
    rest = head[1] if head is not None else []
    words = next((words for words in called if rest[: len(words)] == list(words)), None)
    if words is None:
        raise PodError(f"container's create command is too short or invalid: {line}")
    reader = fastargs.Reader(module.main, getattr(module, "SHARED", ()))
    flags, after = _flags(reader, rest[len(words) :], getattr(module, "BARE", {}))
    return CreateCommand(line[1 : len(line) - len(rest)], flags, after)


def _flags(reader: fastargs.Reader, words: list[str], bare: dict[str, str]) -> tuple[list[Flag], list[str]]:
    found: list[Flag] = []
    while words and len(words[0]) > 1 and words[0][0] == "-":
        word, words = words[0], words[1:]
        if word == "--":
            break
        used = _long(reader, word, words, bare, found) if word[1] == "-" else _short(reader, word, words, found)
        words = words[used:]
    return found, words


def _long(reader: fastargs.Reader, word: str, after: list[str], bare: dict[str, str], found: list[Flag]) -> int:
    """Take a flag; return how many of the words after it are its value."""
    flag, equals, value = word.partition("=")
    declared = _declared(reader, flag)
    if equals or declared.type is bool or word in bare:
        found.append(Flag(declared.name, [word], value if equals else bare.get(word, "true")))
        return 0
    found.append(Flag(declared.name, [word, *after[:1]], "".join(after[:1])))
    return 1


def _short(reader: fastargs.Reader, word: str, after: list[str], found: list[Flag]) -> int:
    letters = word[1:]
    while letters:
        letter, letters = letters[0], letters[1:]
        declared = _declared(reader, f"-{letter}")
        if len(letters) > 1 and letters[0] == "=":
            found.append(Flag(declared.name, [f"-{letter}{letters}"], letters[1:]))
            return 0
        if declared.type is bool:
            found.append(Flag(declared.name, [f"-{letter}"], "true"))
        elif letters:
            found.append(Flag(declared.name, [f"-{letter}{letters}"], letters))
            return 0
        else:
            found.append(Flag(declared.name, [f"-{letter}", *after[:1]], "".join(after[:1])))
            return 1
    return 0


def _declared(reader: fastargs.Reader, flag: str) -> fastargs.Declared:
    declared = reader.option(flag)
    if declared is None:
        raise PodError(f"container's create command is too short or invalid: unknown flag {flag}")
    return declared
