"""Checks of JSON values, put together from a few kinds: what is wrong is told by its path in the document.

A check takes a value and raises WrongValue; containers add their part of the path as it passes through them, so that
nothing is spent on paths as long as all is well. A field that is null counts as missing, as it does for Go's runtimes.
"""

from __future__ import annotations

from runtime.errors import SpecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Check = Callable[[Any], None]

_LONGEST_SHOWN = 60


class WrongValue(Exception):
    """A value that is not what its place demands."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what
        self.path = ""

    def below(self, step: str) -> WrongValue:
        """Add the outer part of the path: `.name` or `[index]`."""
        self.path = step + self.path
        return self


def check(shape: Check, value: Any, name: str = "") -> None:
    """Raise a SpecError that names what is wrong with `value`, by its path below `name`."""
    try:
        shape(value)
    except WrongValue as error:
        path = f"{name}{error.path}" if name else error.path.removeprefix(".")
        raise SpecError(f"{path or 'the document'} {error.what}") from None


def shown(value: Any) -> str:
    """Return a value as a message shows it: on one line, and not too long."""
    if value is None or value is True or value is False:
        return str(value).lower().replace("none", "null")
    text = f"`{value}`" if isinstance(value, str) else repr(value)
    if not text.isprintable():
        text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _check_characters(joined: str) -> None:
    if "\0" in joined:
        raise WrongValue("has a null character")
    if not joined.isascii():
        try:
            joined.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise WrongValue("has half of a surrogate pair, which is no character") from None


def text(value: Any) -> None:
    """Check for a string that the kernel can be given."""
    if type(value) is not str:
        raise WrongValue(f"is not a string: {shown(value)}")
    if "\0" in value or not value.isascii():
        _check_characters(value)


def name(value: Any) -> None:
    """Check for a string that is not empty."""
    text(value)
    if not value:
        raise WrongValue("is empty")


def short(longest: int) -> Check:
    """Return a check for a string of at most so many bytes."""

    def check_length(value: Any) -> None:
        text(value)
        if len(value.encode("utf-8", "surrogateescape")) > longest:
            raise WrongValue(f"is longer than {longest} bytes")

    return check_length


def absolute(value: Any) -> None:
    """Check for an absolute path."""
    text(value)
    if not value.startswith("/"):
        raise WrongValue(f"is not an absolute path: {shown(value)}")


def flag(value: Any) -> None:
    """Check for true or false."""
    if value is not True and value is not False:
        raise WrongValue(f"is neither true nor false: {shown(value)}")


def number(lowest: int, highest: int) -> Check:
    """Return a check for a whole number."""

    def check_number(value: Any) -> None:
        if type(value) is not int:
            raise WrongValue(f"is not a whole number: {shown(value)}")
        if not lowest <= value <= highest:
            raise WrongValue(f"{shown(value)} is not between {lowest} and {highest}")

    return check_number


def one_of(known: Iterable[str]) -> Check:
    """Return a check for one of these words."""
    words = frozenset(known)

    def check_word(value: Any) -> None:
        if type(value) is not str:
            raise WrongValue(f"is not a string: {shown(value)}")
        if value not in words:
            raise WrongValue(f"{shown(value)} is not known: it is one of {', '.join(sorted(words))}")

    return check_word


def texts(value: Any) -> None:
    """Check for a list of strings; by one operation on all of them, as there are lists of hundreds."""
    if type(value) is not list:
        raise WrongValue(f"is not a list: {shown(value)}")
    try:
        joined = "".join(value)
        if "\0" not in joined and joined.isascii():
            return
    except TypeError:
        pass
    for index, item in enumerate(value):
        try:
            text(item)
        except WrongValue as error:
            raise error.below(f"[{index}]") from None


def items(shape: Check) -> Check:
    """Return a check for a list whose elements all have one shape."""

    def check_list(value: Any) -> None:
        if type(value) is not list:
            raise WrongValue(f"is not a list: {shown(value)}")
        try:
            for item in value:
                shape(item)
        except WrongValue as error:
            index = next(index for index, other in enumerate(value) if other is item)
            raise error.below(f"[{index}]") from None

    return check_list


def mapping(shape: Check) -> Check:
    """Return a check for an object whose keys are the user's own, and whose values all have one shape."""

    def check_mapping(value: Any) -> None:
        if type(value) is not dict:
            raise WrongValue(f"is not an object: {shown(value)}")
        for key, item in value.items():
            try:
                name(key)
                shape(item)
            except WrongValue as error:
                raise error.below(f"[{key!r}]") from None

    return check_mapping


def record(fields: dict[str, Check], required: tuple[str, ...] = ()) -> Check:
    """Return a check for an object with these fields; others mean nothing (runtime-spec, config.md "Extensibility")."""
    find = fields.get

    def check_record(value: Any) -> None:
        if type(value) is not dict:
            raise WrongValue(f"is not an object: {shown(value)}")
        try:
            for key, item in value.items():
                shape = find(key)
                if shape is not None and item is not None:
                    shape(item)
        except WrongValue as error:
            raise error.below(f".{key}") from None
        for key in required:
            if value.get(key) is None:
                raise WrongValue("is missing").below(f".{key}")

    return check_record


def unsupported(why: str) -> Check:
    """Return a check that refuses a part of the configuration which this runtime cannot honour."""

    def refuse(_value: Any) -> None:
        raise WrongValue(f"is not supported: {why}")

    return refuse
