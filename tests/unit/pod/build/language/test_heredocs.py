from __future__ import annotations

import pytest

from pod.build.language.heredocs import in_command, in_word
from pod.build.language.words import Word


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("<<EOF", ["EOF"]),
        ("cat <<A <<-B 3<<C", ["A", "B", "C"]),
        ("cat << EOF", ["EOF"]),
        ("cat <<\"E F\" <<'G' <<\\H", ["E F", "G", "H"]),
        ("cat <<EOF>/x && b <<F;c", ["EOF", "F"]),
        ("(cat <<EOF)", ["EOF"]),
        # No documents: not at the start of a word, or no operator for the shell
        ("cat<<EOF", []),
        ("cat <<<EOF", []),
        ("echo '<<EOF' \"a <<EOF\" \\<<EOF", []),
        ("echo $((1 <<2)) $(( 1 << 2 ))", []),
        ("echo $((1<<2)) <<E", ["E"]),
        ("a <<", []),
        ("a <<''", []),
    ],
)
def test_in_a_command(text: str, names: list[str]) -> None:
    assert [found.name for found in in_command(text, 0)] == names


def test_what_is_announced() -> None:
    bare, quoted = in_command("a <<-B 2<<'C'", 10)
    assert (bare.expand, bare.strip_tabs, bare.offset) == (True, True, 12)
    assert (quoted.expand, quoted.strip_tabs, quoted.offset) == (False, False, 17)


@pytest.mark.parametrize(("text", "name"), [("<<E", "E"), ("<<-'E'", "E"), ("<<", ""), ("a<<E", None), ("a", None)])
def test_in_a_word(text: str, name: str | None) -> None:
    found = in_word(Word(text, 0))
    assert (found.name if found else None) == name
