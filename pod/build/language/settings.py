"""The instructions that set a value of the image: ENV, LABEL, ARG, EXPOSE, USER, WORKDIR, VOLUME and such."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

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
from pod.build.language.words import MixedArrayError, Word, json_array, quoted, spaced

if TYPE_CHECKING:
    from pod.build.language.statements import Statement

_PORT = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/([a-z]+))?", re.IGNORECASE | re.ASCII)
_PROTOCOLS = ("tcp", "udp", "sctp")


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
        name, equals, value = word.text.partition("=")
        if not name:
            raise statement.error("ARG names can not be blank", word.offset)
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
        if not set("$'\"" + statement.escape) & set(word.text) and not is_port(word.text):
            raise statement.error(
                f'invalid port "{word.text}"', word.offset, hint="write 80, 53/udp or a range such as 8000-8010"
            )
    return Expose(**statement.place(), ports=tuple(word.text for word in words))


def is_port(text: str) -> bool:
    """Tell whether a text is a port as EXPOSE takes it."""
    match = _PORT.fullmatch(text)
    if match is None or (match[3] or "tcp").lower() not in _PROTOCOLS:
        return False
    return int(match[1]) <= int(match[2] or match[1]) < 65536


def parse_user(statement: Statement) -> User:
    """Parse USER."""
    return User(**statement.place(), user=_text(statement))


def parse_workdir(statement: Statement) -> Workdir:
    """Parse WORKDIR."""
    return Workdir(**statement.place(), path=_text(statement))


def parse_stopsignal(statement: Statement) -> Stopsignal:
    """Parse STOPSIGNAL."""
    return Stopsignal(**statement.place(), signal=_text(statement))


def parse_maintainer(statement: Statement) -> Maintainer:
    """Parse MAINTAINER, which only old files have."""
    statement.notice("MAINTAINER is deprecated", "write LABEL org.opencontainers.image.authors=NAME")
    return Maintainer(**statement.place(), maintainer=_text(statement))


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
    if "" in paths:
        raise statement.error("VOLUME specified can not be an empty string", statement.offset)
    return Volume(**statement.place(), paths=paths)


def _text(statement: Statement) -> str:
    Flags(statement)
    if not statement.rest:
        raise statement.needs("exactly one argument")
    return statement.rest


def _quoted(statement: Statement) -> list[Word]:
    words, open_quote = quoted(statement.rest, statement.offset, statement.escape)
    if open_quote >= 0:
        raise statement.error(
            "this quote is not closed", open_quote, hint=f"close it, or write {statement.escape} before it"
        )
    return words


def _pairs(statement: Statement) -> tuple[tuple[str, str], ...]:
    Flags(statement)
    keyword = statement.keyword
    parts = statement.rest.split(maxsplit=1)
    if not parts:
        raise statement.needs("at least one argument")
    if "=" not in parts[0]:
        if len(parts) == 1:
            raise statement.error(
                f'{keyword} requires a value for "{parts[0]}"',
                statement.offset,
                hint=f"write {keyword} {parts[0]}=VALUE",
            )
        return ((parts[0], parts[1]),)
    pairs = []
    for word in _quoted(statement):
        name, equals, value = word.text.partition("=")
        if not name:
            raise statement.error(f"{keyword} names can not be blank", word.offset)
        if not equals:
            raise statement.error(
                f'cannot find = in "{word.text}": it must be of the form name=value',
                word.offset,
                hint="put a value that has spaces in double quotes",
            )
        pairs.append((name, value))
    return tuple(pairs)
