"""The graph of stages, the turns that they take, and the keys of their steps."""

from __future__ import annotations

import os
from collections.abc import Generator
from dataclasses import replace

import pytest

from pod.build.cache import keys
from pod.build.language.instructions import Cmd, Entrypoint, Env, ExecForm, Label, ShellForm, Workdir
from pod.build.language.parser import parse
from pod.build.stages import evaluation, graph
from pod.build.stages.evaluation import State, StepLayer
from pod.build.stages.graph import Node
from pod.build.stages.scheduling import Needs, Schedule
from pod.errors import PodError
from storage.interrupts import Interrupts

TEXT = """\
FROM a AS one
RUN x
FROM one AS two
FROM b AS three
COPY --from=0 /x /
RUN --mount=from=Two,target=/t y
FROM c
COPY --from=three /x /
COPY --from=image /x /
"""


def graph_of(text: str = TEXT, contexts: tuple[str, ...] = ()) -> tuple[Node, ...]:
    found = parse(text).stages
    return graph.graph(found, [stage.base.image for stage in found], contexts)


def test_what_a_stage_needs() -> None:
    nodes = graph_of()
    assert [node.base for node in nodes] == [None, 0, None, None]
    assert [sorted(node.needs) for node in nodes] == [[], [0], [0, 1], [2]]
    assert graph.needed(nodes, 3) == (0, 1, 2, 3)
    assert graph.needed(nodes, 1) == (0, 1)
    assert graph.needed(nodes, graph.target(nodes, "two")) == (0, 1)
    assert graph.target(nodes, "") == 3


def test_contexts_go_before_stages() -> None:
    nodes = graph_of(contexts=("one", "three"))
    assert [sorted(node.needs) for node in nodes] == [[], [], [0, 1], []]


def test_a_variable_may_mean_any_stage() -> None:
    nodes = graph_of("FROM a AS one\nFROM a AS two\nFROM b\nARG X\nCOPY --from=$X /x /\n")
    assert graph.needed(nodes, 2) == (0, 1, 2)


def test_a_number_that_no_stage_before_has() -> None:
    nodes = graph_of()
    assert graph.origin(nodes, nodes[2], "1") == 1
    assert graph.origin(nodes, nodes[2], "123456789012") is None  # the ID of an image
    assert graph.origin(nodes, nodes[2], "7", contexts=("7",)) is None
    for number in ("2", "7"):
        with pytest.raises(PodError, match=f"no stage before this one has the number {number}") as caught:
            graph.origin(nodes, nodes[2], number)
        assert caught.value.hint == "stages before this one are 0 to 1"


def test_the_stage_that_was_meant() -> None:
    nodes = graph_of()
    assert graph.meant(nodes, nodes[3], "thre") == "did you mean the stage three?"
    assert "the stage Three is in line 4" in graph.meant(nodes, nodes[1], "Three")
    assert graph.meant(nodes, nodes[3], "nginx") == ""


def test_a_target_that_is_not_there() -> None:
    with pytest.raises(PodError, match='The target "four" was not found') as caught:
        graph.target(graph_of(), "four")
    assert caught.value.hint == "its stages are one, two, three"


def staged(log: list[str], name: str, needs: int | None, readable: int) -> Generator[int | Needs, None, str]:
    log.append(f"{name} begins")
    if needs is not None:
        yield Needs(needs)
        log.append(f"{name} goes on")
    try:
        yield readable
    finally:
        log.append(f"{name} ends")
    return name


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        (0, ["a begins", "b begins", "c begins"]),
        (1, ["a begins", "a ends", "b begins", "b ends", "c begins", "c goes on", "c ends"]),
    ],
)
def test_stages_take_turns(jobs: int, expected: list[str]) -> None:
    log: list[str] = []
    reader, writer = os.pipe()
    os.close(writer)
    schedule = Schedule(
        lambda number: staged(log, "abc"[number], 0 if number == 2 else None, os.dup(reader)), range(3), jobs
    )
    with Interrupts() as interrupts:
        schedule.run(interrupts)
    assert schedule.results == {0: "a", 1: "b", 2: "c"}
    assert log[: len(expected)] == expected


def test_a_stage_that_fails_ends_the_others() -> None:
    def failing() -> Generator[int | Needs, None, str]:
        raise PodError("no")
        yield 0

    log: list[str] = []
    reader, writer = os.pipe()
    begun = [staged(log, "a", None, reader), failing()]
    schedule = Schedule(lambda number: begun[number], range(2), 0)
    with Interrupts() as interrupts, pytest.raises(PodError):
        schedule.run(interrupts)
    assert log == ["a begins", "a ends"]
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("jobs", [0, 1])
def test_a_stage_that_only_a_trigger_needs_begins_late(jobs: int) -> None:
    log: list[str] = []
    reader, writer = os.pipe()
    os.close(writer)
    schedule = Schedule(lambda number: staged(log, "ab"[number], 0 if number else None, os.dup(reader)), [1], jobs)
    with Interrupts() as interrupts:
        schedule.run(interrupts)
    assert schedule.results == {0: "a", 1: "b"}
    assert log == ["b begins", "a begins", "a ends", "b goes on", "b ends"]


def env(**pairs: str) -> Env:
    return Env(line=1, end_line=1, text="", pairs=tuple(pairs.items()))


def test_settings() -> None:
    state = State(key="", config=evaluation.with_path({"Cmd": ["old"], "Labels": {"a": "b"}}))
    state = evaluation.apply(state, env(A="1", B="2"))
    state = evaluation.apply(state, env(A="3"))
    assert state.config["Env"][1:] == ["A=3", "B=2"]
    assert state.variables["A"] == "3"
    state = evaluation.apply(state, Label(line=1, end_line=1, text="", pairs=(("c", "d"),)))
    assert state.config["Labels"] == {"a": "b", "c": "d"}
    for path, expected in (("app", "/app"), ("../x/.", "/x"), ("/y/", "/y")):
        state = evaluation.apply(state, Workdir(line=1, end_line=1, text="", path=path))
        assert state.workdir == expected


def test_an_entrypoint_drops_the_command_of_the_image_below() -> None:
    entrypoint = Entrypoint(line=1, end_line=1, text="", command=ExecForm(("e",)))
    command = Cmd(line=1, end_line=1, text="", command=ShellForm("c $x"))
    state = evaluation.apply(State(key="", config={"Cmd": ["old"]}), entrypoint)
    assert "Cmd" not in state.config
    state = evaluation.apply(evaluation.apply(state, command), entrypoint)
    assert state.config["Cmd"] == ["/bin/sh", "-c", "c $x"]
    assert state.config["Entrypoint"] == ["e"]


def test_keys_tell_what_matters() -> None:
    state = State(key="parent", arguments={"A": "1"})
    known = {
        keys.of_setting(state, env(A="1"), format="oci"),
        keys.of_setting(state, env(A="2"), format="oci"),
        keys.of_setting(state, env(A="1"), format="docker"),
        keys.of_setting(replace(state, key="other"), env(A="1"), format="oci"),
        keys.of_run(state, ["a"]),
        keys.of_run(state, ["a"], network="none"),
        keys.of_run(state, ["a", "b"]),
        keys.of_run(replace(state, arguments={"A": "2"}), ["a"]),
        keys.of_run(replace(state, arguments={"A": "1", "HTTP_PROXY": "declared"}), ["a"]),
    }
    assert len(known) == 9
    other = replace(env(A="1"), line=7, end_line=9, text="ENV  A=1")
    assert keys.of_setting(state, other, format="oci") in known
    assert keys.of_run(replace(state, arguments={"A": "1"}), ["a"]) in known
    one = StepLayer("sha256:1", "1", 1)
    assert keys.of_layers(state) != keys.of_layers(replace(state, layers=(one,)))
