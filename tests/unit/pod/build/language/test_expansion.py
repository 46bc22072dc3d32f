from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod.build.language import patterns
from pod.build.language.expansion import ExpansionError, check, expand, expand_words

ENVIRONMENT = {
    "HOME": "/home",
    "EMPTY": "",
    "SPACED": "abc  def",
    "TEXT": "foobarbaz",
    "GLOB": "a*b?c/d\\e",
    "B": "ba",
    "über": "ü",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Quotes and escapes
        ("a b", "a b"),
        ("a\"b c\"'d e'", "ab cd e"),
        (r"a\tb\\c\"d", 'atb\\c"d'),
        (r'"a\tb\\c\"d\$e"', 'a\\tb\\c"d$e'),
        (r"'a\tb\\c'", r"a\tb\\c"),
        ("\"it's\"'\"'", "it's\""),
        ("a\\", "a"),
        ("", ""),
        ('""', ""),
        # Variables
        ("$HOME/x", "/home/x"),
        ("${HOME}x", "/homex"),
        ("$HOMEx", ""),
        ('"$HOME"', "/home"),
        ("'$HOME'", "$HOME"),
        (r"\$HOME \${HOME}", "$HOME ${HOME}"),
        (r"\\$HOME", "\\/home"),
        ("$über", "ü"),
        ("$", "$"),
        ("a$.b$", "a$.b$"),
        ("a$1x $12 $@ $$ ${1} ${@}", "ax     "),
        ("$SPACED", "abc  def"),
        # Alternatives
        ("${NO:-a}${EMPTY:-b}${HOME:-c}", "ab/home"),
        ("${NO-a}${EMPTY-b}${HOME-c}", "a/home"),
        ("${NO:+a}${EMPTY:+b}${HOME:+c}", "c"),
        ("${NO+a}${EMPTY+b}${HOME+c}", "bc"),
        ("${HOME:?x}${HOME?x}${EMPTY?x}", "/home/home"),
        ("${NO:-}", ""),
        ("${NO:-$HOME}", "/home"),
        ("${NO:-${NONE:-${HOME}}}/x", "/home/x"),
        ("${NO:-a b}", "a b"),
        ("${NO:-'a}'}", "a}"),
        ('"${NO:-"a b"}"', "a b"),
        (r"${NO:-\}}", "}"),
        ("${NO:-{a}", "{a"),
        ("${HOME:+${HOME}:}x", "/home:x"),
        ("${HOME}}", "/home}"),
        # A word that is not wanted is not expanded.
        ("${HOME:-${NO:?never}}", "/home"),
        # Patterns
        ("${TEXT#f*b}", "arbaz"),
        ("${TEXT##f*b}", "az"),
        ("${TEXT%b*}", "foobar"),
        ("${TEXT%%b*}", "foo"),
        ("${TEXT#x}${TEXT%x}${NO#x}", "foobarbazfoobarbaz"),
        ("${TEXT#}${TEXT##}", "foobarbazfoobarbaz"),
        ("${TEXT#*}", "foobarbaz"),
        ("${TEXT##*}", ""),
        ("${TEXT%?}", "foobarba"),
        ("${TEXT/ba/fo}", "fooforbaz"),
        ("${TEXT//ba/fo}", "fooforfoz"),
        ("${TEXT//$B/}", "foorz"),
        ("${TEXT/b*/}", "foo"),
        ("${TEXT//?/x}", "xxxxxxxxx"),
        ("${TEXT//x/y}", "foobarbaz"),
        ("${TEXT///}", "foobarbaz"),
        (r"${GLOB#a\*}", "b?c/d\\e"),
        (r"${GLOB/\?/!}", "a*b!c/d\\e"),
        (r"${GLOB/\//!}", "a*b?c!d\\e"),
        (r"${GLOB/\\/!}", "a*b?c/d!e"),
        # BuildKit leaves the escape character in the replacement.
        (r"${GLOB/\//\/}", "a*b?c\\/d\\e"),
    ],
)
def test_expand(text: str, expected: str) -> None:
    assert expand(text, ENVIRONMENT) == expected
    check(text)


@pytest.mark.parametrize(
    ("text", "message", "offset"),
    [
        ("a 'b", "this quote is not closed", 2),
        ('a "b', "this quote is not closed", 2),
        (r'"a\"', "this quote is not closed", 0),
        ("x${", 'missing "}" of a substitution', 1),
        ("x${a", 'missing "}" of a substitution', 1),
        ("x${a:-b", 'missing "}" of a substitution', 6),
        ("${}", "bad substitution", 0),
        ("${:-a}", "bad substitution", 0),
        ("${{a}}", "bad substitution", 0),
        ("${.}", "bad substitution", 0),
        ("${a:=b}", "unsupported modifier (:=) in substitution", 0),
        ("${a=b}", "unsupported modifier (=) in substitution", 0),
        ("${a:#b}", "unsupported modifier (:#) in substitution", 0),
        ("${a:b}", "unsupported modifier (:b) in substitution", 0),
        ("${a b}", "unsupported modifier ( ) in substitution", 0),
        ("${a//b}", 'missing "/" of a substitution', 5),
        ("${a/b/c", 'missing "}" of a substitution', 6),
        (51 * "${a:-" + 51 * "}", "substitutions nest deeper than 50", 250),
    ],
)
def test_wrong_whatever_the_variables_are(text: str, message: str, offset: int) -> None:
    for act in (check, lambda text: expand(text, {}), lambda text: expand(text, {"a": "x"})):
        with pytest.raises(ExpansionError) as caught:
            act(text)
        assert str(caught.value) == message
        assert caught.value.offset == offset


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${NO?}", "NO: is not allowed to be unset"),
        ("${NO:?}", "NO: is not allowed to be unset"),
        ("${EMPTY:?}", "EMPTY: is not allowed to be empty"),
        ("${NO:?say $HOME}", "NO: say /home"),
    ],
)
def test_what_must_be_set(text: str, message: str) -> None:
    with pytest.raises(ExpansionError) as caught:
        expand(text, ENVIRONMENT)
    assert str(caught.value) == message
    assert "--build-arg" in caught.value.hint
    check(text)


def test_another_escape_character() -> None:
    assert expand("C:\\a`$b`` $HOME", ENVIRONMENT, "`") == "C:\\a$b` /home"
    assert expand('"`"\\"', {}, "`") == '"\\'


def test_quotes_that_are_letters() -> None:
    assert expand("it's \"$HOME\" \\$x ${NO:-'a'}", ENVIRONMENT, quotes=False) == "it's \"/home\" $x 'a'"


def test_what_variables_come_to_has_an_end() -> None:
    with pytest.raises(ExpansionError, match="more than 1 MiB"):
        expand("$a$a$a", {"a": 400_000 * "x"})
    with pytest.raises(ExpansionError, match="more than 1 MiB"):
        expand("${a//x/" + 1000 * "y" + "}", {"a": 100_000 * "x"})
    assert len(expand("${a}" + 3_000_000 * "x", {"a": 1_000_000 * "x"})) == 4_000_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("a  b", ["a", "b"]),
        ("'a b' c", ["a b", "c"]),
        (r"a\ b c", ["a b", "c"]),
        ("x${SPACED}y", ["xabc", "defy"]),
        ('x"${SPACED}"y z', ["xabc  defy", "z"]),
        ("$EMPTY '' $NO", []),
        ("${NO:-a b}c", ["a", "bc"]),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert expand_words(text, ENVIRONMENT) == expected


@given(st.text("a$ {}:-+?#%/'\"\\*x`"), st.dictionaries(st.sampled_from("ax"), st.text("ab/ *"), max_size=2))
def test_it_expands_or_tells(text: str, environment: dict[str, str]) -> None:
    told = None
    try:
        expand(text, environment)
    except ExpansionError as error:
        told = error
    if told is None:
        check(text)
    else:
        assert 0 <= told.offset <= len(text)


@given(st.text("ab?*", max_size=6), st.text("ab", max_size=8), st.booleans())
def test_patterns_are_those_of_regular_expressions(pattern: str, value: str, longest: bool) -> None:
    star = ".*" if longest else ".*?"
    expression = "".join({"*": star, "?": "."}.get(letter, letter) for letter in pattern)
    match = re.match(expression, value)
    parsed = patterns.parse(pattern, "\\")
    assert patterns.without_prefix(value, parsed, longest) == (value[match.end() :] if match else value)
    ends = [end for end in range(len(value) + 1) if re.fullmatch(expression, value[end:])]
    start = (min(ends) if longest else max(ends)) if ends else len(value)
    assert patterns.without_suffix(value, parsed, longest) == value[:start]
    greedy = expression.replace(".*?", ".*")
    assert patterns.replaced(value, parsed, "z", 0) == re.sub(greedy, "z", value, count=1)
