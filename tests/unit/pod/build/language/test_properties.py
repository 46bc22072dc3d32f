"""Parsing any text gives stages or one error with a place in the text, in a time that goes with its length."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pod.build.language.errors import LanguageError
from pod.build.language.expanding import expanded
from pod.build.language.instructions import Run
from pod.build.language.parser import parse

T = TypeVar("T")
KEYWORDS = (
    "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL ONBUILD RUN SHELL STOPSIGNAL USER VOLUME WORKDIR"
)
WORDS = (
    "a b=c $a ${a:-b} ${ } <<E <<-'E' E -- --mount= --from=a --chmod= , type=cache target=/a 80 NONE AS [ ] # = ` ' \""
)
PIECES = (*KEYWORDS.split(), *WORDS.split(), *" \t\n\\\0\ufeff\u00a0", "\\\n", "\r\n", '["a"]', "# escape=`\n")
LINES = st.lists(st.lists(st.sampled_from(PIECES), max_size=8).map(" ".join), max_size=8).map("\n".join)


@given(st.one_of(st.text(), LINES, LINES.map("FROM a\n{}".format)))
@example("FROM a\nRUN <<E\nE")
def test_total(text: str) -> None:
    read = told(lambda: parse(text))
    if isinstance(read, LanguageError):
        lines = text.split("\n")
        assert 1 <= read.line <= len(lines)
        assert 0 <= read.column <= len(lines[read.line - 1]) + 2
        return
    last = 0
    for stage in read.stages:
        for instruction in (stage.base, *stage.instructions):
            assert last < instruction.line <= instruction.end_line
            last = instruction.end_line
            if isinstance(instruction, Run):
                assert isinstance(instruction.shell_text, str)
            found = told(partial(expanded, instruction, {"a": "x y"}, read.directives.escape, rows=read.rows))
            assert instruction.line <= found.line <= instruction.end_line
            if isinstance(found, LanguageError):
                assert 0 <= found.column <= len(read.rows[found.line - 1]) + 1


def told(act: Callable[[], T]) -> T | LanguageError:
    try:
        return act()
    except LanguageError as error:
        return error


HARD = {
    "instructions": ("RUN echo hello && x\n", ""),
    "pairs": ('ENV abc=def x="y z"\n', ""),
    "continued": (" \\\n y", "RUN x"),
    "empty lines": ("\n", "RUN x \\\n"),
    "documents": ("RUN <<E\nx\nE\n", ""),
    "documents of one": ("<<E ", "RUN cat "),
    "quotes": ("\\\"'\\", "RUN x <<E "),
    "escaped quotes": ('\\"', "ENV a="),
    "substitutions": ("${a:-b}", "ENV a="),
    "open substitutions": ("${a:-", "ENV a="),
    "array": ("[", "CMD "),
    "digits": ("1", "CMD ["),
    "duration": ("1h", "HEALTHCHECK --interval="),
    "mode": ("u+x", "COPY --chmod="),
    "ranges": ("1-65535 ", "EXPOSE "),
    "stages": ("FROM a AS b\n", ""),
    "flags": ("--exclude=a ", "COPY "),
    "keyword": ("a", ""),
}


@pytest.mark.parametrize("name", HARD)
def test_the_time_goes_with_the_length(name: str) -> None:
    piece, before = HARD[name]
    started = time.process_time()
    try:
        parse("FROM a\n" + before + piece * (100_000 // len(piece)))
    except LanguageError:
        pass
    # A tenth of a megabyte takes 0.15 s; a time that goes with the square is one of minutes.
    assert time.process_time() - started < 5
