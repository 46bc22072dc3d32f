"""The keys of the build cache: what a step's result depends on, hashed. Pure.

A key covers its parent's, so it stands for all that was done before. The same key must never stand for two results; two
keys for one result cost only time. Times of files are no part of what is copied, as for all builders: of a file that
differs in nothing else, the older copy is taken.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pod.build.asked.times import Times
    from pod.build.language.instructions import FileInstruction, Instruction
    from pod.build.stages.evaluation import State

# Changes with whatever makes older results different from those that this version makes.
_VERSION = 6
_PLACES = ("line", "end_line", "text")


def of_image(image: str, platform: Mapping[str, object]) -> str:
    """Return the key of a stage's begin: the ID of an image, empty for `scratch`."""
    return _key("FROM", image, dict(platform))


def with_times(key: str, times: Times) -> str:
    """Return the key of a stage's begin where times are asked for: what its steps come to is not the same then."""
    return _key(key, "times", times.key) if times.key[0] else key


def of_setting(state: State, instruction: Instruction, *, format: str) -> str:
    """Return the key of a step that changes no file, its variables replaced."""
    return _key(state.key, _content(instruction), format)


def of_run(state: State, words: list[str], **surroundings: object) -> str:
    """Return the key of RUN: its words, the ARGs it can see, and what else is said of its surroundings.

    Proxies that no ARG declares are not told of: what a step makes is not to depend on the way to the network.
    """
    return _key(state.key, "RUN", words, list(state.shell), dict(state.arguments), surroundings)


def of_copy(state: State, instruction: FileInstruction, digest: str) -> str:
    """Return the key of COPY or ADD, its variables replaced: what is copied, by digest, where to and how."""
    return _key(state.key, _content(instruction), digest, state.workdir)


def after(state: State, diff_id: str) -> str:
    """Return the key of the state that a step with this layer has left: what follows depends on what it came to.

    Else what was made over an older result of the step would be laid over a newer one.
    """
    return _key(state.key, "layer", diff_id)


def of_layers(state: State) -> str:
    """Return the key of the files of a stage: for who takes some of them."""
    return _key("files", [layer.diff_id for layer in state.layers])


def _content(instruction: Instruction) -> list[str]:
    """Return what an instruction says, wherever and however it is written."""
    names = [field.name for field in fields(instruction) if field.name not in _PLACES]
    return [instruction.keyword, *(f"{name}={getattr(instruction, name)!r}" for name in names)]


def _key(*parts: object) -> str:
    text = json.dumps([_VERSION, *parts], sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
