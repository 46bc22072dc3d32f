"""Where the documents of an instruction (heredocs) are announced: `<<NAME`, `<<-NAME`, `<<"NAME"`.

They are found as BuildKit finds them: at the start of a word. In a shell's arithmetic `<<` is a shift.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pod.build.language.words import Word

_NAME = r"""(?:'[^']*'|"[^"]*"|\\.|[^\s'"\\<>|;&()])+"""
_SHELL = re.compile(
    rf"""'[^']*'|"(?:[^"\\]|\\.)*"|\\.|(?P<begin>\$\(\()|(?P<end>\)\))"""
    rf"""|(?:(?<!\S)\d*)<<(?P<strip>-?)[ \t]*(?P<name>{_NAME})""",
    re.DOTALL,
)
_WHOLE = re.compile(rf"\d*<<-?[ \t]*{_NAME}", re.DOTALL)
_WORD = re.compile(r"\d*<<(?P<strip>-?)(?P<name>[^<]*)")
_UNQUOTED = re.compile(r"""'([^']*)'|"([^"]*)"|\\(.)""", re.DOTALL)


class Announcement(NamedTuple):
    """The name of a document, whether variables in it are replaced, and where its `<<` is in the logical line."""

    name: str
    expand: bool
    strip_tabs: bool
    offset: int


def in_command(text: str, offset: int) -> list[Announcement]:
    """Return the documents of a shell command."""
    found, depth = [], 0
    for match in _SHELL.finditer(text):
        if match["begin"]:
            depth += 1
        elif match["end"]:
            depth = max(0, depth - 1)
        elif match["name"] and not depth:
            found.append(_announced(match, offset + match.start()))
    return [announcement for announcement in found if announcement.name]


def is_whole(command: str) -> bool:
    """Tell whether a shell command is a document and nothing else."""
    return _WHOLE.fullmatch(command) is not None


def in_word(word: Word) -> Announcement | None:
    """Return the document that a source of COPY or ADD is; None if it is a path. Its name may be empty."""
    match = _WORD.fullmatch(word.text)
    return _announced(match, word.offset) if match else None


def _announced(match: re.Match[str], offset: int) -> Announcement:
    name = _UNQUOTED.sub(lambda found: found[1] or found[2] or found[3] or "", match["name"])
    return Announcement(name, not set("'\"") & set(match["name"]), match["strip"] == "-", offset)
