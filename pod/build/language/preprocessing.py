"""Containerfiles that end in `.in`: what cpp(1) makes of them, as podman-build(1) has it.

A line that begins with # and no directive of cpp is a comment of the Containerfile, a parser directive, or the first
line of a script: cpp does not get to see that.
"""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

from pod.build.language.origins import Piece, Source
from pod.errors import PodError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_DIRECTIVES = (
    "assert define elif else endif error ident if ifdef ifndef import include include_next line pragma sccs"
    " unassert undef warning"
).split()
_COMMENT = re.compile(rf"^(?=#(?!\s*(?:{'|'.join(_DIRECTIVES)})\b))", re.MULTILINE)
_HIDDEN = "\x01"
_MARKER = re.compile(r'# ([0-9]+) "((?:[^"\\]|\\.)*)"((?: [1-4])*)')
_DIRECTORY_FLAG = re.compile(r"(-I|-iquote|-isystem|-idirafter)\s*(.+)")
_INCLUDED = re.compile(r"(In file included|\s+) from ")
_STDIN = "<stdin>"


def preprocess(text: str, name: str, directory: str, flags: Sequence[str]) -> Source:
    """Return what cpp makes of a text called `name`, which may include files of a directory or those of -I in `flags`.

    Raises PodError for what cpp refuses, a file from elsewhere, and where there is no cpp.
    """
    flags, allowed = _absolute(flags), [directory]
    words = ["cpp", "-E", "-iquote", directory, *flags, "-traditional", "-undef", "-fno-diagnostics-show-caret", "-"]
    hidden = _COMMENT.sub(_HIDDEN, text).encode("utf-8", "surrogateescape")
    try:
        environment = {**os.environ, "LC_ALL": "C"}
        done = subprocess.run(words, input=hidden, capture_output=True, check=False, cwd=directory, env=environment)
    except FileNotFoundError:
        raise PodError(f"preprocessing {name}: cpp is not installed", hint="as root: apt install cpp") from None
    said = done.stderr.decode("utf-8", "replace").replace(_STDIN, name).splitlines()
    # A comment of a file that is included is no directive: cpp leaves it out and goes on.
    harmless = [line for line in said if "invalid preprocessing directive" in line]
    wrong = [line for line in said if line not in harmless and not _INCLUDED.match(line)]
    if done.returncode and (wrong or not harmless):
        told = next((line for line in wrong if "error: " in line), "") or f"cpp: {' '.join(wrong) or 'killed'}"
        raise PodError(f"preprocessing {name}: {told}")
    allowed += [found[2] for flag in flags if (found := _DIRECTORY_FLAG.fullmatch(flag))]
    return _read(done.stdout.decode("utf-8", "surrogateescape"), name, [os.path.realpath(one) for one in allowed])


def _absolute(flags: Sequence[str]) -> list[str]:
    """Return flags that name directories as the user's own directory has them, for cpp works in another."""
    return [
        f"{found[1]}{os.path.abspath(found[2])}" if (found := _DIRECTORY_FLAG.fullmatch(flag)) else flag
        for flag in flags
    ]


def _read(output: str, name: str, allowed: Sequence[str]) -> Source:
    """Return the lines without those by which cpp tells where they come from."""
    rows: list[str] = []
    pieces: list[Piece] = []
    for file, there, row in _rows(output):
        shown = name if file == _STDIN else file
        if file != _STDIN and not any(
            os.path.realpath(f"{allowed[0]}/{file}" if file[0] != "/" else file).startswith(f"{one}/")
            for one in allowed
        ):
            raise PodError(
                f"preprocessing {name}: {file} is not in the context",
                hint="--cpp-flag -IDIRECTORY allows files of another directory",
            )
        rows.append(row.removeprefix(_HIDDEN))
        last = pieces[-1] if pieces else None
        if last is None or (last.name, last.there + len(rows) - last.line) != (shown, there):
            pieces.append(Piece(len(rows), shown, there))
    return Source("\n".join(rows), tuple(pieces) or (Piece(1, name, 1),))


def _rows(output: str) -> Iterator[tuple[str, int, str]]:
    """Yield each line with its file and its number there; none of what cpp begins with by itself."""
    file, there = "", 0
    for row in output.split("\n"):
        marker = _MARKER.fullmatch(row)
        if marker is not None:
            file, there = re.sub(r"\\(.)", r"\1", marker[2]), int(marker[1])
            is_own = (file.startswith("<") and file != _STDIN) or "3" in marker[3]
            file = "" if is_own else file
        elif file:
            yield file, there, row
            there += 1
