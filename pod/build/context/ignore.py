r"""Which files a build leaves out: .containerignore, .dockerignore, and the patterns of `COPY --exclude`. Pure.

A pattern's `*`, `?`, `[a-z]` and `\` are those of Go's path/filepath.Match, `**` is any number of directories; what
matches a directory holds for all below it; the last pattern that matches decides. Sources: the Dockerfile reference,
".dockerignore files"; containerignore(5).
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
_MAGIC = frozenset("*?[\\")


@dataclass(frozen=True)
class _Group:
    """Patterns of one kind that follow each other: whichever of them matches, the verdict is the same."""

    exception: bool
    expression: re.Pattern[str]


class IgnoreRules:
    """Patterns in their order.

    Walking a tree, a directory's marks (0 for the root) are handed on to what is in it: `marks` of a directory tell
    `ignores`, `may_skip` and the marks of what is below.
    """

    __slots__ = ("_exceptions", "_groups")

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        """Take patterns as they stand in a file, without its comments. Raises PodError for one that is none."""
        self._exceptions: list[list[str]] = []
        kinds: list[tuple[bool, list[str]]] = []
        for written in patterns:
            pattern, exception = _cleaned(written)
            if not pattern:
                continue
            if exception:
                self._exceptions.append(pattern.split("/"))
            if not kinds or kinds[-1][0] != exception:
                kinds.append((exception, []))
            kinds[-1][1].append(_expression(pattern, written))
        self._groups = [_Group(exception, _compiled(texts)) for exception, texts in kinds]

    @classmethod
    def parse(cls, content: bytes) -> IgnoreRules:
        """Return the rules of a file. Raises PodError for a pattern that is none."""
        text = content.decode("utf-8", "surrogateescape").removeprefix(_BOM)
        return cls(line for line in text.split("\n") if not line.startswith("#"))

    def __bool__(self) -> bool:
        return bool(self._groups)

    def marks(self, path: str, above: int = 0) -> int:
        """Return which groups of patterns match a path or, as the marks of its directory tell, one above it."""
        for number, group in enumerate(self._groups):
            bit = 1 << number
            if not above & bit and group.expression.fullmatch(path):
                above |= bit
        return above

    def ignores(self, marks: int) -> bool:
        """Tell whether something with these marks is left out."""
        return marks > 0 and not self._groups[marks.bit_length() - 1].exception

    def ignores_file(self, path: str, above: int) -> bool:
        """Tell whether a file is left out, by the marks of its directory; as `ignores(marks(…))`, but at once."""
        groups = self._groups
        for number in range(len(groups) - 1, above.bit_length() - 1, -1):
            if groups[number].expression.fullmatch(path):
                return not groups[number].exception
        return self.ignores(above)

    def matches(self, path: str) -> bool:
        """Tell whether a path, relative to the context, is left out."""
        marks = 0
        for end in [at for at, letter in enumerate(path) if letter == "/"] + [len(path)]:
            marks = self.marks(path[:end], marks)
        return self.ignores(marks)

    def may_skip(self, directory: str) -> bool:
        """Tell whether nothing below a directory that is left out can be an exception."""
        parts = directory.split("/")
        return not any(_reaches_below(pattern, parts) for pattern in self._exceptions)


def _reaches_below(pattern: list[str], directory: list[str]) -> bool:
    """Tell whether a pattern may match something below a directory."""
    for expected, part in zip(pattern, directory, strict=False):
        if "**" in expected or "[" in expected:
            return True  # which may take slashes, too
        if _MAGIC.isdisjoint(expected):
            if expected != part:
                return False
        elif not glob(expected).fullmatch(part):
            return False
    return len(pattern) > len(directory)


def glob(pattern: str) -> re.Pattern[str]:
    """Return the expression of one component of a path with wildcards. Raises PodError for a malformed one."""
    return _compiled([_expression(pattern, pattern, stars=False)])


def has_magic(text: str) -> bool:
    """Tell whether a component of a path has wildcards."""
    return not _MAGIC.isdisjoint(text)


def _compiled(texts: list[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{text})" for text in texts), re.DOTALL)


def _cleaned(written: str) -> tuple[str, bool]:
    """Return a pattern without what means nothing, and whether it is an exception; empty if it is of no effect."""
    text = written.strip()
    exception = text.startswith("!")
    if exception:
        text = text[1:].strip()
        if not text:
            raise PodError('illegal exclusion pattern: "!"', hint="write the pattern after the sign, as in !keep.txt")
    text = posixpath.normpath(text).lstrip("/") if text else ""
    return ("" if text == "." else text), exception


def _expression(pattern: str, written: str, *, stars: bool = True) -> str:
    """Translate a pattern to a regular expression; `stars`: two of them reach across directories."""
    found: list[str] = []
    at, end = 0, len(pattern)
    while at < end:
        letter = pattern[at]
        at += 1
        if letter == "*" and stars and pattern[at : at + 1] == "*":
            at += 1
            slash = pattern[at : at + 1] == "/"
            at += slash
            # At the front, before plain text, it is any beginning, not only of directories: `**.go`.
            anything = at == end or (at == 2 and not slash and _MAGIC.isdisjoint(pattern[at:]))
            found.append(".*" if anything else "(?:.*/)?")
        elif letter == "*":
            found.append("[^/]*")
        elif letter == "?":
            found.append("[^/]")
        elif letter == "[":
            text, at = _set(pattern, at, written)
            found.append(text)
        elif letter == "\\":
            if at == end:
                raise _malformed(written)
            found.append(re.escape(pattern[at]))
            at += 1
        else:
            found.append(re.escape(letter))
    return "".join(found)


def _set(pattern: str, at: int, written: str) -> tuple[str, int]:
    """Translate a set of characters; return it and where the pattern goes on."""
    negated = pattern[at : at + 1] == "^"
    at += negated
    parts: list[str] = []
    while pattern[at : at + 1] != "]" or not parts:
        low, at = _member(pattern, at, written)
        high = low
        if pattern[at : at + 1] == "-":
            high, at = _member(pattern, at + 1, written)
        # One that ends before it begins has no members, which keeps the set's place.
        parts.append(f"{re.escape(low)}-{re.escape(high)}" if low <= high else "")
    members = "".join(parts)
    if not members:
        return ("." if negated else "(?!)"), at + 1
    return f"[{'^' if negated else ''}{members}]", at + 1


def _member(pattern: str, at: int, written: str) -> tuple[str, int]:
    letter = pattern[at : at + 1]
    if letter == "\\":
        at += 1
        letter = pattern[at : at + 1]
    elif letter in ("-", "]"):
        letter = ""
    if not letter:
        raise _malformed(written)
    return letter, at + 1


def _malformed(written: str) -> PodError:
    return PodError(
        f'"{written}": syntax error in pattern', hint="close every [ with ], and let no pattern end in a backslash"
    )
