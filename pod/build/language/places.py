"""Where in a Containerfile a part of an instruction is: for what is wrong only once its variables have values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pod.build.language.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pod.build.language.instructions import FileInstruction, Instruction


def of_word(rows: Sequence[str], escape: str, instruction: Instruction, word: str, offset: int) -> tuple[int, int]:
    """Return line and column of an offset in a word of an instruction, which is somewhere in `rows`.

    The column is 0 for a word that is not there as it was read: parts of it were quoted or escaped.
    """
    lines = Lines(list(rows), escape)
    lines.position = instruction.line - 1
    line = lines.read()
    if line is None or not word:
        return instruction.line, 0
    # A whole word first: a part of another may read the same.
    whole = re.search(rf"(?<!\S){re.escape(word)}(?!\S)", instruction.text)
    start, found = line.text.find(instruction.text), whole.start() if whole else instruction.text.find(word)
    return line.place(start + found + offset) if start >= 0 and found >= 0 else (instruction.line, 0)


def in_document(instruction: FileInstruction, number: int, offset: int) -> tuple[int, int]:
    """Return line and column of an offset in the body of one of the documents that an instruction ends with."""
    below = instruction.heredocs[number:]
    document = below[0]
    begin = instruction.end_line + 1 - sum(heredoc.content.count("\n") + 1 for heredoc in below)
    row = document.body.count("\n", 0, offset)
    written = document.content.split("\n")[row]
    tabs = len(written) - len(written.lstrip("\t")) if document.strip_tabs else 0
    return begin + row, offset - document.body.rfind("\n", 0, offset) + tabs
