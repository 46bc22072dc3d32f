"""What the history of an image tells of its steps, in podman's words. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pod.build.asked.times import moment

if TYPE_CHECKING:
    from pod.build.language.instructions import Run
    from pod.build.stages.evaluation import State


def entry(state: State, made: float, text: str) -> dict[str, Any]:
    """Return the entry of a step; the first one over an image tells which that is."""
    found = {"created": moment(made), "created_by": text}
    if state.author:
        found["author"] = state.author
    if state.base and not state.history:
        found["comment"] = f"FROM {state.base}"
    return found


def without_files(state: State, made: float, text: str) -> dict[str, Any]:
    """Return the entry of a step that changes no file."""
    return entry(state, made, f"/bin/sh -c #(nop) {text}") | {"empty_layer": True}


def of_run(state: State, instruction: Run) -> str:
    """Return what is told of a RUN, with the ARGs that it sees."""
    seen = [f"{name}={value}" for name, value in sorted(state.arguments.items())]
    told = f"|{len(seen)} {' '.join(seen)} " if seen else ""
    return f"{told}/bin/sh -c {instruction.shell_text or instruction.text.partition(' ')[2].strip()}"
