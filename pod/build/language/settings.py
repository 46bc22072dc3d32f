"""The instructions that set a value of the image: ENV, LABEL, ARG, EXPOSE, USER, WORKDIR, VOLUME and such."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pod.build.language.expansion import expand
from pod.build.language.flags import Flags
from pod.build.language.instructions import (
    Arg,
    Env,
    Expose,
    Label,
    Maintainer,
    Stopsignal,
    User,
    Volume,
    Workdir,
)
from pod.build.language.ports import check_port
from pod.build.language.words import MixedArrayError, Word, json_array, quoted, spaced
from pod.errors import PodError
from pod.values import parse_signal

if TYPE_CHECKING:
    from pod.build.language.statements import Statement


def parse_env(statement: Statement) -> Env:
    """Parse ENV NAME=VALUE…, and the old ENV NAME VALUE."""
    return Env(**statement.place(), pairs=_pairs(statement))


def parse_label(statement: Statement) -> Label:
    """Parse LABEL."""
    return Label(**statement.place(), pairs=_pairs(statement))


def parse_arg(statement: Statement) -> Arg:
    """Parse ARG."""
    Flags(statement)
    pairs: list[tuple[str, str | None]] = []
    for word in _quoted(statement):
        name, equals, value = _pair(statement, word)
        pairs.append((name, value if equals else None))
    if not pairs:
        raise statement.needs("at least one argument")
    return Arg(**statement.place(), pairs=tuple(pairs))


def parse_expose(statement: Statement) -> Expose:
    """Parse EXPOSE."""
    Flags(statement)
    words = spaced(statement.rest, statement.offset)
    if not words:
        raise statement.needs("at least one argument")
    for word in words:
        statement.check(word.text, word.offset)
        if not set("$'\"" + statement.escape) & set(word.text):
            statement.said(check_port, word.text, word.offset)
    return Expose(**statement.place(), ports=tuple(word.text for word in words))


def parse_user(statement: Statement) -> User:
    """Parse USER."""
    return User(**statement.place(), user=_text(statement))


def parse_workdir(statement: Statement) -> Workdir:
    """Parse WORKDIR."""
    return Workdir(**statement.place(), path=_text(statement))


def parse_stopsignal(statement: Statement) -> Stopsignal:
    """Parse STOPSIGNAL."""
    signal = _text(statement)
    if "$" not in signal:
        statement.said(check_signal, expand(signal, {}, statement.escape), statement.offset)
    return Stopsignal(**statement.place(), signal=signal)


def check_signal(text: str) -> None:
    """Refuse what is the name or number of no signal; raises PodError."""
    # A number of thousands of digits is not even read.
    if len(text) > 20:
        raise PodError(f"invalid signal: {text}", hint="write a number or a name such as TERM or SIGKILL")
    parse_signal(text)


def parse_maintainer(statement: Statement) -> Maintainer:
    """Parse MAINTAINER, which only old files have."""
    statement.notice("MAINTAINER is deprecated", "write LABEL org.opencontainers.image.authors=NAME")
    return Maintainer(**statement.place(), maintainer=_argument(statement))


def parse_volume(statement: Statement) -> Volume:
    """Parse VOLUME, a JSON array or words."""
    Flags(statement)
    try:
        array = json_array(statement.rest)
    except MixedArrayError:
        raise statement.error(
            "paths in JSON form are strings only", statement.offset, hint="quote every path"
        ) from None
    words = spaced(statement.rest, statement.offset)
    paths = tuple(word.text for word in words) if array is None else tuple(path.strip() for path in array)
    if not paths:
        raise statement.needs("at least one argument")
    for path in paths if array else ():
        statement.check(path, statement.offset)
    for word in words if array is None else ():
        statement.check(word.text, word.offset)
    if "" in paths:
        raise statement.error("VOLUME specified can not be an empty string", statement.offset)
    return Volume(**statement.place(), paths=paths)


def _argument(statement: Statement) -> str:
    Flags(statement)
    if not statement.rest:
        raise statement.needs("exactly one argument")
    return statement.rest


def _text(statement: Statement) -> str:
    statement.check(_argument(statement), statement.offset)
    return statement.rest


def _quoted(statement: Statement) -> list[Word]:
    words, open_quote = quoted(statement.rest, statement.offset, statement.escape)
    if open_quote >= 0:
        raise statement.error(
            "this quote is not closed", open_quote, hint=f"close it, or write {statement.escape} before it"
        )
    return words


def _pair(statement: Statement, word: Word) -> tuple[str, str, str]:
    name, equals, value = word.text.partition("=")
    if not name:
        raise statement.error(f"{statement.keyword} names can not be blank", word.offset)
    # Each is expanded by itself, so a quote around both is closed in neither.
    statement.check(name, word.offset)
    statement.check(value, word.offset + len(name) + 1)
    return name, equals, value


def _pairs(statement: Statement) -> tuple[tuple[str, str], ...]:
    Flags(statement)
    keyword = statement.keyword
    parts = statement.rest.split(maxsplit=1)
    if not parts:
        raise statement.needs("at least one argument")
    words, _ = quoted(statement.rest, statement.offset, statement.escape)
    if words and "=" not in words[0].text:
        if len(parts) == 1:
            raise statement.error(
                f'{keyword} requires a value for "{parts[0]}"',
                statement.offset,
                hint=f"write {keyword} {parts[0]}=VALUE",
            )
        statement.check(parts[0], statement.offset)
        statement.check(parts[1], len(statement.source.text) - len(parts[1]))
        return ((parts[0], parts[1]),)
    pairs = []
    for word in _quoted(statement):
        if "=" not in word.text:
            raise statement.error(
                f'cannot find = in "{word.text}": it must be of the form name=value',
                word.offset,
                hint="a comment has a line of its own"
                if word.text.startswith("#")
                else "put a value that has spaces in double quotes",
            )
        name, _, value = _pair(statement, word)
        pairs.append((name, value))
    return tuple(pairs)
