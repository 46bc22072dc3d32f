"""The stages of a Containerfile as a graph: which one stands on which, which are needed, in which order. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pod.build.language.instructions import Copy, Onbuild, Run
from pod.errors import PodError
from pod.names import nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from pod.build.language.instructions import Instruction, Stage

_SHORT_ID = 12


@dataclass(frozen=True)
class Node:
    """A stage in the graph: the stage that it begins with, None for an image, and all those that it takes files of."""

    stage: Stage
    image: str  # what FROM names, with variables replaced
    base: int | None
    sources: frozenset[int]

    @property
    def needs(self) -> frozenset[int]:
        """The stages without which this one cannot be made."""
        return self.sources if self.base is None else self.sources | {self.base}


def graph(stages: Sequence[Stage], images: Sequence[str], contexts: Collection[str] = ()) -> tuple[Node, ...]:
    """Return the graph of stages whose FROMs name these images.

    A name that is a context's (--build-context) is never a stage's.
    """
    nodes = []
    for stage, image in zip(stages, images, strict=True):
        earlier = stages[: stage.index]
        base = None if image in contexts else _named(earlier, image.lower())
        sources: set[int] = set()
        for name in _origins(stage.instructions):
            found = find(earlier, name, contexts)
            if "$" in name:
                sources.update(range(stage.index))  # which one, only the variables of that step tell
            elif found is not None:
                sources.add(found)
        nodes.append(Node(stage, image, base, frozenset(sources)))
    return tuple(nodes)


def find(earlier: Sequence[Stage], name: str, contexts: Collection[str] = ()) -> int | None:
    """Return the index of the earlier stage that COPY --from means, by name or number; None for something else."""
    if name in contexts:
        return None
    if name.isascii() and name.isdecimal() and int(name) < len(earlier):
        return int(name)
    return _named(earlier, name.lower())


def origin(nodes: Sequence[Node], node: Node, name: str, contexts: Collection[str] = ()) -> int | None:
    """Return the index of the stage that `--from` or `from=` means in a stage, None for something else.

    Raises PodError for a number that no stage before it has: it is no abbreviated ID of an image.
    """
    count = node.stage.index
    index = find([one.stage for one in nodes[:count]], name, contexts)
    if index is None and name not in contexts and name.isascii() and name.isdecimal() and len(name) < _SHORT_ID:
        hint = f"stages before this one are 0 to {count - 1}" if count else "this is the first stage"
        raise PodError(f"no stage before this one has the number {name}", hint=hint)
    return index


def meant(nodes: Sequence[Node], node: Node, name: str) -> str:
    """Return a hint for a name that is neither a stage's nor an image's: which stage was perhaps meant."""
    stages = {one.stage.name: one.stage for one in nodes if one.stage.name}
    later = stages.get(name.lower())
    if later is not None and later.index >= node.stage.index:
        return f"the stage {name} is in line {later.base.line}: files come from stages before this one alone"
    near = nearest(name.lower(), [known for known, stage in stages.items() if stage.index < node.stage.index])
    return f"did you mean the stage {near}?" if near else ""


def _named(stages: Sequence[Stage], name: str) -> int | None:
    """Return the last stage of a name."""
    return next((stage.index for stage in reversed(stages) if stage.name == name), None)


def _origins(instructions: Sequence[Instruction]) -> Iterator[str]:
    """Yield what the instructions of a stage take files from."""
    for instruction in instructions:
        inner = instruction.instruction if isinstance(instruction, Onbuild) else instruction
        if isinstance(inner, Copy) and inner.from_:
            yield inner.from_
        elif isinstance(inner, Run):
            yield from (mount.from_ for mount in inner.mounts if mount.from_)


def target(nodes: Sequence[Node], name: str) -> int:
    """Return the index of the stage that --target names, the last one for an empty name. Raises PodError."""
    if not name:
        return len(nodes) - 1
    index = find([node.stage for node in nodes], name)
    if index is None:
        raise PodError(f'The target "{name}" was not found in the provided Dockerfile', hint=_hint(nodes))
    return index


def _hint(nodes: Sequence[Node]) -> str:
    names = [node.stage.name for node in nodes if node.stage.name]
    return f"its stages are {', '.join(names)}" if names else "none of its stages has a name (FROM … AS name)"


def needed(nodes: Sequence[Node], wanted: int) -> tuple[int, ...]:
    """Return the stages that a stage needs, and itself, in the order of the file."""
    found, pending = {wanted}, [wanted]
    while pending:
        new = nodes[pending.pop()].needs - found
        found |= new
        pending.extend(new)
    return tuple(sorted(found))
