"""COPY and ADD."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypedDict

from pod.build.language import heredocs
from pod.build.language.flags import Flags
from pod.build.language.instructions import Add, Copy
from pod.build.language.words import MixedArrayError, Word, json_array, spaced

if TYPE_CHECKING:
    from pod.build.language.instructions import Heredoc
    from pod.build.language.statements import Statement

# chmod(1): octal, or who, what and which in one clause or several.
_MODE = re.compile(r"0*[0-7]{1,4}|[ugoa]*([-+=]([rwxXst]*|[ugo]))+(,[ugoa]*([-+=]([rwxXst]*|[ugo]))+)*")


class _Files(TypedDict):
    sources: tuple[str, ...]
    destination: str
    heredocs: tuple[Heredoc, ...]


class _Common(TypedDict):
    chown: str
    chmod: str
    link: bool
    excludes: tuple[str, ...]


def parse_copy(statement: Statement) -> Copy:
    """Parse COPY."""
    flags = Flags(statement, texts=("from", "chown", "chmod"), many=("exclude",), switches=("link", "parents"))
    return Copy(
        **statement.place(),
        **_files(statement),
        **_common(statement, flags),
        from_=flags.text("from"),
        parents=flags.switch("parents") or False,
    )


def parse_add(statement: Statement) -> Add:
    """Parse ADD."""
    flags = Flags(
        statement,
        texts=("chown", "chmod", "checksum"),
        many=("exclude",),
        switches=("link", "keep-git-dir", "unpack"),
    )
    return Add(
        **statement.place(),
        **_files(statement),
        **_common(statement, flags),
        checksum=flags.text("checksum"),
        keep_git_dir=flags.switch("keep-git-dir"),
        unpack=flags.switch("unpack"),
    )


def announced(statement: Statement) -> list[heredocs.Announcement]:
    """Return the documents among the sources."""
    if statement.rest.startswith("[") and _array(statement) is not None:
        return []
    found = (heredocs.in_word(word) for word in spaced(statement.rest, statement.offset))
    return [announcement for announcement in found if announcement is not None]


def is_mode(text: str) -> bool:
    """Tell whether a text is a mode as --chmod takes it."""
    return _MODE.fullmatch(text) is not None


def _common(statement: Statement, flags: Flags) -> _Common:
    chmod = flags.text("chmod")
    if flags.all("chmod") and "$" not in chmod and not is_mode(chmod):
        raise statement.error(
            f'invalid mode "{chmod}" for --chmod', flags.offset("chmod"), hint="write 755 or u=rwX,go=rX"
        )
    return {
        "chown": flags.text("chown"),
        "chmod": chmod,
        "link": flags.switch("link") or False,
        "excludes": tuple(flag.value or "" for flag in flags.all("exclude")),
    }


def _files(statement: Statement) -> _Files:
    array = _array(statement)
    words = spaced(statement.rest, statement.offset)
    if array is not None:
        words = [Word(text, statement.offset) for text in array]
    if not words:
        raise statement.needs("at least two arguments: sources and a destination")
    if len(words) == 1:
        raise statement.error(
            f"{statement.keyword} requires at least two arguments, but only one was provided: "
            "destination could not be determined",
            words[0].offset,
            hint=f"write {statement.keyword} SOURCE DESTINATION",
        )
    for word in words:
        statement.check(word.text, word.offset)
    documents = [] if array is not None else [heredocs.in_word(word) for word in words]
    if documents and documents[-1] is not None:
        raise statement.error(f"{statement.keyword} cannot accept a heredoc as a destination", words[-1].offset)
    paths = [word.text for place, word in enumerate(words[:-1]) if not documents or documents[place] is None]
    return {"sources": tuple(paths), "destination": words[-1].text, "heredocs": tuple(statement.heredocs)}


def _array(statement: Statement) -> tuple[str, ...] | None:
    try:
        return json_array(statement.rest)
    except MixedArrayError:
        raise statement.error(
            "paths in JSON form are strings only", statement.offset, hint="quote every path"
        ) from None
