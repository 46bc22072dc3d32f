"""Reads a well-formed command line from a command's annotations, without Typer.

Commands are declared for Typer, under `from __future__ import annotations`: what Python keeps of an annotation is its
text. Here the texts of those parameters that the command line names are evaluated with stand-ins for `Annotated`,
`Option` and `Argument`. Anything that is not plainly right (help, a mistake, an odd spelling) is answered with None,
and Typer reads the same line again to say what is wrong. Syntax and meaning are pflag's, as podman's.
"""

from __future__ import annotations

from pod.cli import flags

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
FALSE = frozenset(("0", "f", "F", "FALSE", "false", "False"))
# The forms that a quoted flag takes in an annotation's text, which Python normalizes to single quotes.
_QUOTED = "'%s'"


class Declared:
    """An Option or Argument, with the type that it is annotated with."""

    __slots__ = ("flags", "minimum", "multiple", "name", "type")

    def __init__(self, *flags: str, **settings: Any) -> None:
        self.flags = flags
        self.minimum = settings.get("min")
        self.name = ""
        self.type: Any = str
        self.multiple = False


class _Annotated:
    def __class_getitem__(cls, item: tuple[Any, Declared]) -> Declared:
        type_, declared = item
        if hasattr(type_, "__args__"):
            if hasattr(type_, "__origin__"):  # list[str]
                declared.multiple, type_ = True, type_.__args__[0]
            else:  # str | None, list[str] | None
                return cls.__class_getitem__((type_.__args__[0], declared))
        declared.type = type_
        return declared


_NAMES: dict[str, Any] = {
    "__builtins__": {},
    "Annotated": _Annotated,
    "Option": Declared,
    "Argument": Declared,
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "list": list,
}


class NotPlainError(Exception):
    """The line is left to Typer."""


class Reader:
    """The declaration of one command, read as far as a command line needs it."""

    def __init__(self, function: Callable[..., Any], shared: Sequence[str] = ()) -> None:
        """Take the declaration of `function`, and groups of flags (pod.cli.flags) that are read at their first need."""
        self.annotations: dict[str, str] = {}
        self.names: list[str] = []
        self.optional: set[str] = set()
        self.unread = list(shared)
        self.known: dict[str, Declared | None] = {}
        code = function.__code__
        self._take(function.__annotations__, code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
        # Whoever has a default may be left out: the last of the plain ones, and keyword-only ones by name.
        plain = code.co_varnames[: code.co_argcount]
        self.optional.update(plain[len(plain) - len(function.__defaults__ or ()) :], function.__kwdefaults__ or ())

    def add_group(self, group: str) -> None:
        """Take the flags of a group, or of a part of one (pod.cli.flags)."""
        function, names = flags.declaration(group), flags.parameters(group)
        self._take({name: function.__annotations__[name] for name in names}, names)
        self.optional.update(names)

    def _take(self, annotations: dict[str, str], names: tuple[str, ...]) -> None:
        # The command's own, which is read first, goes before a group's of the same name.
        self.annotations = {**annotations, **self.annotations}
        self.names += names

    def option(self, flag: str) -> Declared | None:
        """Return the option that a flag (with its dashes) names, or None."""
        if flag in self.known:
            return self.known[flag]
        found = self._search(flag, self.names)
        group = flags.owner(self.unread, flag) if found is None and self.unread else ""
        if group:
            before = len(self.names)
            self.unread.remove(group)
            self.add_group(group)
            found = self._search(flag, self.names[before:])
        self.known[flag] = found
        return found

    def _search(self, flag: str, names: list[str]) -> Declared | None:
        quoted = _QUOTED % flag
        for name in names:
            # A help text may quote the flag too, hence the second look.
            if quoted in self.annotations.get(name, ""):
                declared = self.declared(name)
                if flag in declared.flags:
                    return declared
        return None

    def declared(self, name: str) -> Declared:
        """Evaluate the annotation of one parameter."""
        declared: Declared = eval(self.annotations[name], _NAMES)  # the text of our own source
        declared.name = name
        return declared

    def arguments(self) -> list[Declared]:
        """Return the positional arguments, in order."""
        return [self.declared(name) for name in self.names if ", Argument(" in self.annotations.get(name, "")]


def read(
    function: Callable[..., Any],
    args: list[str],
    *,
    shared: Sequence[str] = (),
    interspersed: bool = True,
    inherited: Reader | None = None,
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return the keyword arguments for `function`, and those for the options of `inherited`, or None.

    `shared` are groups of further options (pod.cli.flags), which `function` takes as `**flags` and passes on.
    """
    line = _Line(Reader(function, shared), inherited)
    try:
        words = line.options(args, interspersed=interspersed)
        line.positionals(words)
    except (NotPlainError, NameError):
        return None
    return line.values, line.inherited_values


def spelled(args: list[str], bare: Mapping[str, str]) -> list[str]:
    """Return a line on which flags that need no value have the one that they mean without (pflag's NoOptDefVal)."""
    if not bare:
        return args
    end = args.index("--") if "--" in args else len(args)
    return [*(f"{word}={bare[word]}" if word in bare else word for word in args[:end]), *args[end:]]


def read_leading(reader: Reader, args: list[str]) -> tuple[dict[str, Any], list[str]] | None:
    """Read the options at the head of the line; return their values and the rest of the line, or None."""
    line = _Line(reader, None)
    try:
        rest = line.options(args, interspersed=False)
    except (NotPlainError, NameError):
        return None
    return line.values, rest


class _Line:
    def __init__(self, reader: Reader, inherited: Reader | None) -> None:
        self.reader = reader
        self.inherited = inherited
        self.values: dict[str, Any] = {}
        self.inherited_values: dict[str, Any] = {}

    def options(self, args: list[str], *, interspersed: bool) -> list[str]:
        """Take the options, return the words that are none."""
        words: list[str] = []
        position, end = 0, len(args)
        while position < end:
            word = args[position]
            position += 1
            if len(word) < 2 or word[0] != "-":
                if not interspersed:
                    return args[position - 1 :]
                words.append(word)
            elif word == "--":
                words.extend(args[position:])
                break
            elif word[1] == "-":
                position = self.long(word, args, position)
            else:
                position = self.short(word, args, position)
        return words

    def long(self, word: str, args: list[str], position: int) -> int:
        flag, equals, value = word.partition("=")
        declared, values = self.find(flag)
        if declared.type is bool:
            self.store(declared, values, value if equals else "true")
        elif equals:
            self.store(declared, values, value)
        elif position < len(args):
            self.store(declared, values, args[position])
            return position + 1
        else:
            raise NotPlainError
        return position

    def short(self, word: str, args: list[str], position: int) -> int:
        letters = word[1:]
        while letters:
            declared, values = self.find("-" + letters[0])
            letters = letters[1:]
            # pflag takes `-x=value` for any letter that has more than the sign after it.
            if len(letters) > 1 and letters[0] == "=":
                self.store(declared, values, letters[1:])
                return position
            if declared.type is bool:
                self.store(declared, values, "true")
            elif letters:
                self.store(declared, values, letters)
                return position
            elif position < len(args):
                self.store(declared, values, args[position])
                return position + 1
            else:
                raise NotPlainError
        return position

    def find(self, flag: str) -> tuple[Declared, dict[str, Any]]:
        declared = self.reader.option(flag)
        if declared is not None:
            return declared, self.values
        # Only the long global options are inherited: `-v` before the command asks for the version, not after it.
        if self.inherited is not None and flag[1] == "-":
            declared = self.inherited.option(flag)
            if declared is not None and declared.name not in ("version", "help"):
                return declared, self.inherited_values
        raise NotPlainError

    def store(self, declared: Declared, values: dict[str, Any], text: str) -> None:
        value = convert(declared, text)
        if declared.multiple:
            values.setdefault(declared.name, []).append(value)
        else:
            values[declared.name] = value

    def positionals(self, words: list[str]) -> None:
        for declared in self.reader.arguments():
            if declared.multiple:
                if words:
                    self.values[declared.name] = [convert(declared, word) for word in words]
                elif declared.name not in self.reader.optional:
                    raise NotPlainError
                return
            if words:
                self.values[declared.name] = convert(declared, words[0])
                words = words[1:]
            elif declared.name not in self.reader.optional:
                raise NotPlainError
        if words:
            raise NotPlainError


def convert(declared: Declared, text: str) -> Any:
    """Return the text as the declared type."""
    kind = declared.type
    if kind is str:
        return text
    if kind is bool:
        if text in TRUE:
            return True
        if text in FALSE:
            return False
    elif kind is int and text.isascii() and text[text[:1] == "-" :].isdigit():
        number = int(text)
        if str(number) != text:  # Go reads 010 as octal
            raise NotPlainError
        if declared.minimum is None or number >= declared.minimum:
            return number
    elif kind is float and text.isascii() and text.replace(".", "", 1).isdigit():
        return float(text)
    raise NotPlainError
