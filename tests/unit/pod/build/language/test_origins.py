"""Containerfiles of several files: errors tell of the right one."""

from __future__ import annotations

import pytest

from pod.build.language.errors import LanguageError
from pod.build.language.origins import Piece, Source, joined, place, whole
from pod.build.language.parser import parse_source

ONE = whole("FROM a\nRUN x", "one")
TWO = Source("RUN y\nRUN z\nRUN w", (Piece(1, "two", 5), Piece(3, "three", 1)))


def test_places_of_lines() -> None:
    both = joined([ONE, TWO])
    assert both.text == "FROM a\nRUN x\nRUN y\nRUN z\nRUN w"
    expected = [("one", 1), ("one", 2), ("two", 5), ("two", 6), ("three", 1)]
    assert [place(both.pieces, line) for line in range(1, 6)] == expected


def test_errors_name_the_file_of_the_line() -> None:
    with pytest.raises(LanguageError) as caught:
        parse_source(joined([ONE, whole("\n RUNX y", "two")]))
    assert str(caught.value).startswith('two:2:2: unknown instruction "RUNX"')
    assert caught.value.hint == "did you mean RUN?"
