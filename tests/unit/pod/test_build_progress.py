"""Showing a build: lines of stages side by side, the live view, and what a terminal must not be told."""

from __future__ import annotations

import io
import re
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pod.build.asked.options import BuildOptions
from pod.build.language.parser import parse
from pod.build.watching import StepPlace
from pod.cli.excerpt import excerpt
from pod.cli.kept_output import KeptOutput
from pod.cli.live import Live
from pod.cli.screen import Screen, cleaned, clipped, padded
from pod.cli.steps import Lines
from storage.images import Image

TEXT = "FROM scratch AS a\n\nRUN make \\\n  all\nFROM scratch\nCOPY . /\n\n"


FILE = parse(TEXT, "Dockerfile")


def place(stage: int, step: int, text: str = "RUN make", *, beside: bool = True) -> StepPlace:
    return StepPlace(stage, 2, step, 2, text, 3, 4, beside=beside)


class Terminal(io.StringIO):
    """A terminal of 40 columns and 10 rows, for a screen that asks its stream for nothing else."""

    def lines(self) -> list[str]:
        """Return what is on it, as far as it knows what is drawn here."""
        rows = [""]
        for part in re.split(r"(\x1b\[\d*[A-Za-z]|\n)", self.getvalue()):
            if part == "\n":
                rows.append("")
            elif part.endswith("F") and part.startswith("\x1b["):
                del rows[len(rows) - 1 - int(part[2:-1]) :]
                rows.append("")
            elif not part.startswith("\x1b["):
                rows[-1] += part
        return rows


class Small(Screen):
    def size(self) -> tuple[int, int]:
        return 40, 10


def live() -> tuple[Live, Terminal]:
    terminal = Terminal()
    return Live(FILE, Small(terminal, colours=False)), terminal


def test_an_excerpt_marks_the_lines() -> None:
    rows = TEXT.split("\n")
    assert excerpt("f", rows, 3, 4) == [
        "f:3",
        "-" * 20,
        "   1 |     FROM scratch AS a",
        "   2 |",
        "   3 | >>> RUN make \\",
        "   4 | >>>   all",
        "   5 |     FROM scratch",
        "   6 |     COPY . /",
        "-" * 20,
    ]
    assert excerpt("f", rows, 6, 6)[-2] == "   6 | >>> COPY . /"


def test_lines_of_stages_side_by_side_are_whole(capfdbinary: Any) -> None:
    lines = Lines(FILE, quiet=False)
    for stage in (1, 2):
        lines.begin(place(stage, 2))
    lines.output(place(1, 2), 1, b"one\nhal")
    lines.output(place(2, 2), 1, b"other\n")
    lines.output(place(1, 2), 2, b"error\n")
    lines.output(place(1, 2), 1, b"f\n\nlast")
    lines.end(place(1, 2), 64 * "a")
    lines.output(place(2, 2), 1, b"x" * 70_000)
    out, err = capfdbinary.readouterr()
    assert out.decode().splitlines() == [
        "[1/2] STEP 2/2: RUN make",
        "[2/2] STEP 2/2: RUN make",
        "[1/2] one",
        "[2/2] other",
        "[1/2] half",
        "[1/2] ",
        "[1/2] last",
        f"[1/2] --> {12 * 'a'}",
        f"[2/2] {70_000 * 'x'}",
    ]
    assert err == b"[1/2] error\n"


def test_one_stage_at_a_time_is_passed_on_as_it_comes(capfdbinary: Any) -> None:
    lines = Lines(FILE, quiet=False)
    lines.begin(place(1, 2, beside=False))
    lines.output(place(1, 2, beside=False), 1, b"hal")
    assert capfdbinary.readouterr().out.endswith(b"RUN make\nhal")


def test_quiet_tells_of_a_failure(capfdbinary: Any) -> None:
    lines = Lines(FILE, quiet=True)
    lines.begin(place(1, 2))
    lines.output(place(1, 2), 1, b"said")
    assert capfdbinary.readouterr() == (b"", b"")
    lines.failed(place(1, 2))
    out, err = capfdbinary.readouterr()
    assert out == b"said"
    assert err.startswith(b"\nDockerfile:3\n")


def test_the_live_view_shows_what_is_under_way_and_leaves_a_line_of_the_rest() -> None:
    view, terminal = live()
    view.begin(place(1, 2))
    view.begin(place(2, 2, "COPY a b"))
    view.output(place(1, 2), 1, b"".join(b"line %d\n" % number for number in range(9)) + b"10 %\r20 %")
    view._draw()
    shown = [line.rstrip() for line in terminal.lines()]
    assert [line[:24] for line in shown[:1]] == ["[1/2] STEP 2/2: RUN make"]
    assert shown[1:4] == ["    line 7", "    line 8", "    20 %"]
    assert re.fullmatch(r"\[2/2\] STEP 2/2: COPY a b +0\.\ds", shown[4])
    view.cached(place(2, 2), "x")
    view.end(place(2, 2), "x")
    view.end(place(1, 2), "x")
    view.warn("careful")
    named = SimpleNamespace(names=("name",), shown_platform="")
    view.committed(cast("Image", SimpleNamespace(id=64 * "a")), cast("BuildOptions", named))
    view.close()
    shown = [line.rstrip() for line in terminal.lines()]
    assert re.fullmatch(r"\[2/2\] STEP 2/2: COPY a b +CACHED", shown[0])
    assert re.fullmatch(r"\[1/2\] STEP 2/2: RUN make +0\.\ds", shown[1])
    assert shown[2:] == [
        "WARNING: careful",
        "COMMIT name",
        f"--> {12 * 'a'}",
        "Successfully tagged localhost/name:latest",
        "",
    ]


def test_the_live_view_prints_all_of_a_failure(capfdbinary: Any) -> None:
    view, terminal = live()
    view.begin(place(1, 2))
    view.begin(place(2, 2))
    text = b"".join(b"line %d\n" % number for number in range(50))
    view.output(place(1, 2), 1, text)
    view.tick()
    view.failed(place(1, 2))
    assert capfdbinary.readouterr() == (b"", text)
    view.close()
    shown = terminal.lines()
    assert shown[0].startswith("[1/2] STEP 2/2: RUN make")
    assert shown[1] == "Dockerfile:3"
    assert not any(line.startswith("[2/2]") for line in shown)


def test_the_live_view_is_never_higher_than_the_screen() -> None:
    view, terminal = live()
    for stage in range(1, 30):
        view.begin(place(stage, 2))
        view.output(place(stage, 2), 1, b"a\nb\nc\n")
    view._draw()
    assert len(terminal.lines()) <= 10


def test_the_live_view_is_drawn_when_time_goes_by_but_not_all_the_time() -> None:
    view, terminal = live()
    view.begin(place(1, 2))
    assert 0 < view.tick() <= 101
    drawn = terminal.getvalue()
    assert drawn
    view.output(place(1, 2), 1, b"a\n")
    if view.tick() < 50:
        assert terminal.getvalue() == drawn


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (b"plain\r\n", "plain"),
        (b"10%\r20%\r", "20%"),
        (b"\x1b[31mred\x1b[0m\x1b[2K\x1b[1A", "red"),
        (b"\x1b]0;title\x07text\x1b(B\x1b7", "text"),
        (b"\x1b]8;;file:///etc\x1b\\link\x1b]8;;\x1b\\", "link"),
        (b"a\tb\x00\x07\x08c", "a       bc"),
        ("é\u202e\u2028漢".encode(), "é漢"),
        (b"\xff\x9b31m", "\ufffd\ufffd31m"),
        (b"a\x1b[", "a"),
    ],
)
def test_programs_do_not_move_the_cursor(said: bytes, shown: str) -> None:
    assert cleaned(said) == shown


def test_width_is_what_a_terminal_shows() -> None:
    assert clipped("漢字x", 3) == "漢"
    assert padded("e\u0301", 3) == "e\u0301  "
    assert padded("漢", 3) == "漢 "


def test_colours_only_where_they_are_wanted() -> None:
    assert Screen(Terminal(), colours=False).styled("a", "31") == "a"
    assert Screen(Terminal(), colours=True).styled("a", "31") == "\x1b[31ma\x1b[0m"


def test_of_very_much_output_the_end_is_kept(capfdbinary: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pod.cli.kept_output._MOST", 10)
    kept = KeptOutput()
    for piece in (b"first\n", b"second\n", b"end\n"):
        kept.add(2, piece)
    kept.print()
    assert capfdbinary.readouterr().err == b"(the first 13 bytes of output are left out)\nend\n"
