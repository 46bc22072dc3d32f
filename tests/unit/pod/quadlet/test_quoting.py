"""Values split into words, and words quoted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod.quadlet.quoting import quote_words, split_items, split_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("  \t ", []),
        ("a  b\tc", ["a", "b", "c"]),
        ("\"a b\" 'c d'", ["a b", "c d"]),
        ('a"b c"d', ["ab cd"]),
        ("''", [""]),
        ('a "" b', ["a", "", "b"]),
        ('"it\'s"', ["it's"]),
        (r'"a \"b\" c"', ['a "b" c']),
        (r"a\tb \x41\x20 \101 \u00e4 \U0001F51F \s \\ \'", ["a\tb", "A ", "A", "ä", "🔟", " ", "\\", "'"]),
        (r"\xc3\xa4", ["ä"]),
        ('"not closed', ["not closed"]),
        ("at the end \\", ["at", "the", "end"]),
        ("%i %% $HOME", ["%i", "%%", "$HOME"]),
    ],
)
def test_a_command_line(text: str, words: list[str]) -> None:
    assert split_words(text) == words


@pytest.mark.parametrize("text", [r"\q", r"\xZZ", r"\x4", r"\x00", r"\u12", r"\ud800", r"\U00110000", r"\777", r"\000"])
def test_an_escape_that_there_is_not(text: str) -> None:
    with pytest.raises(ValueError, match="unsupported escape char"):
        split_words(text)


def test_in_a_list_backslashes_mean_nothing() -> None:
    assert split_items(r'a\tb "c d" \x41') == [r"a\tb", "c d", r"\x41"]
    with pytest.raises(ValueError, match="unbalanced quotes"):
        split_items('a "b')


def test_words_are_quoted_where_they_need_it() -> None:
    assert quote_words(["a", "b c", "", ";", 'x"y\\', "t\t"]) == r'a "b c" "" ";" "x\"y\\" "t\t"'


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_quoted_words_are_the_same_words(words: list[str]) -> None:
    line = quote_words(words)
    assert split_words(line) == words
    assert "\n" not in line
    assert "\r" not in line


@given(st.text())
def test_no_text_makes_it_crash(text: str) -> None:
    for split in (split_words, split_items):
        try:
            words = split(text)
        except ValueError:
            continue
        assert all(isinstance(word, str) for word in words)
