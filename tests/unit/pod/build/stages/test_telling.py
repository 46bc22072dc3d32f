from __future__ import annotations

from dataclasses import replace

from pod.build.language.parser import parse
from pod.build.stages import telling
from pod.build.stages.evaluation import State

STATE = State(key="", config={})


def run(text: str) -> str:
    (instruction,) = parse(f"FROM x\n{text}\n").stages[0].instructions
    return telling.of_run(replace(STATE, arguments={"b": "2", "a": "1"}), instruction)  # type: ignore[arg-type]


def test_what_is_told_of_a_run() -> None:
    assert run("RUN echo a && echo b") == "|2 a=1 b=2 /bin/sh -c echo a && echo b"
    assert telling.of_run(STATE, parse("FROM x\nRUN true\n").stages[0].instructions[0]) == "/bin/sh -c true"  # type: ignore[arg-type]


def test_the_first_entry_tells_what_it_stands_on() -> None:
    first = telling.entry(replace(STATE, base="a.io/b:1", author="me"), 5.0, "x")
    assert first == {
        "created": "1970-01-01T00:00:05Z",
        "created_by": "x",
        "author": "me",
        "comment": "FROM a.io/b:1",
    }
    assert "comment" not in telling.entry(replace(STATE, base="a.io/b:1", history=(first,)), 5.0, "x")
    assert telling.without_files(STATE, 5.0, "ENV a=b") == {
        "created": "1970-01-01T00:00:05Z",
        "created_by": "/bin/sh -c #(nop) ENV a=b",
        "empty_layer": True,
    }
