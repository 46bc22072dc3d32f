"""COPY and ADD: where the files come from, what tells them from others, and the process that copies them.

The files of a stage or an image are seen through an overlay that only that process mounts.
"""

from __future__ import annotations

import os
import time
from itertools import groupby
from typing import TYPE_CHECKING

from pod.build.asked.options import Place
from pod.build.cache import keys
from pod.build.context import adding, copying, digests, modes, owners, selection
from pod.build.context.ignore import IgnoreRules
from pod.build.context.known import KnownDigests
from pod.build.language.instructions import Add, Copy
from pod.build.stages import graph
from pod.build.stages.apart import apart
from pod.build.stages.scheduling import Needs
from pod.build.steps.reading import mounted, read_ahead, read_layers
from pod.containers.rootfs.overlay import enter_mount_namespace, mount_overlay
from pod.errors import PodError
from storage import worker
from storage.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from typing import Any

    from pod.build.building import Build
    from pod.build.context.selection import Selection
    from pod.build.language.instructions import FileInstruction
    from pod.build.stages.evaluation import State, StepLayer
    from pod.build.stages.graph import Node
    from pod.build.steps.snapshots import Snapshot
    from pod.engine import Engine

    Wait = Generator[int | Needs, None, None]


def origin(
    build: Build, node: Node, instruction: FileInstruction
) -> Generator[int | Needs, None, ContextOrigin | LayersOrigin]:
    """Return what an instruction takes its files from; waits for the stage that these are of."""
    name = instruction.from_ if isinstance(instruction, Copy) else ""
    place: Place | str | None = build.options.contexts.get(name) if name else build.options.context
    if isinstance(place, Place) or not name:
        made = ContextOrigin(build, instruction, place if isinstance(place, Place) else None)
        try:
            yield from made.gather()
            yield from read_ahead(made.selections, build.known_digests)
        except BaseException:
            made.close()
            raise
        return made
    index = graph.origin(build.nodes, node, name, build.options.contexts)
    if index is not None:
        yield Needs(index)
        state = build.state_of(index)
        return LayersOrigin(build, instruction, state.layers, keys.of_layers(state))
    image = yield from build.image(node, name)
    return LayersOrigin(build, instruction, build.layers(image), image.id)


class ContextOrigin:
    """Files of a directory of the user's, documents of the Containerfile, and what ADD gets from elsewhere."""

    def __init__(self, build: Build, instruction: FileInstruction, place: Place | None) -> None:
        self._build = build
        self._instruction = instruction
        self._place = place
        self._into = False
        self.selections: list[Selection] = []
        self._opened: list[adding.Added] = []

    def gather(self) -> Wait:
        """Find the files, and get what is elsewhere."""
        instruction = self._instruction
        if isinstance(instruction, Add):
            for remote, sources in groupby(instruction.sources, adding.is_remote):
                for source in sources if remote else ():
                    yield from self._add_remote(instruction, source)
                if not remote:
                    if instruction.checksum:
                        raise PodError("checksum flag is not supported for local sources", hint="leave --checksum out")
                    yield from self._add(instruction, self._select(list(sources)))
        elif instruction.sources:
            self._select(instruction.sources)
        self.selections += _documents(instruction)
        self._into |= len(self.selections) > 1

    def _select(self, sources: Sequence[str]) -> Selection:
        place = self._place
        if place is None:
            raise PodError("there is no build context to copy from", hint="name a directory: pod build DIRECTORY")
        with self._build.interrupts.waiting():
            self.selections.append(selection.select(place.root, sources, _wanted(self._instruction, place)))
        return self.selections[-1]

    def _add_remote(self, instruction: Add, source: str) -> Wait:
        """Take a source of ADD that is elsewhere: an archive from the web is unpacked only if that is said."""
        added = yield from self._fetch(instruction, source)
        self._keep(added)
        if instruction.unpack and not added.into:
            yield from self._add(instruction, added.selections[0])

    def _add(self, instruction: Add, found: Selection) -> Wait:
        """Unpack those of the sources of ADD that are archives."""
        if instruction.unpack is not False and adding.has_archives(found):
            workshop = self._build.options.workshop
            made = yield from apart("unpack", lambda: {"paths": adding.unpack(found, workshop)})
            self.selections.remove(found)
            self._keep(adding.unpacked(found, made["paths"]))
        self._into |= len(found.trees) > 1

    def _fetch(self, instruction: Add, source: str) -> Generator[int | Needs, None, adding.Added]:
        workshop = self._build.options.workshop
        place = workshop.new("added")
        keep = bool(instruction.keep_git_dir)

        def fetch() -> dict[str, Any]:
            name = adding.fetch(source, place, workshop, checksum=instruction.checksum, keep_git_dir=keep)
            return {"name": name}

        made = yield from apart(f"fetch {source}", fetch, runs_programs=True)
        return adding.fetched(source, place, made["name"])

    def _keep(self, added: adding.Added) -> None:
        self._opened.append(added)
        self.selections += added.selections
        self._into |= added.into

    def digest(self) -> str:
        """Return what tells these files from others."""
        return ",".join(digests.digest(one, self._build.known_digests) for one in self.selections)

    def told(self, digest: str) -> str:
        """Return what the image's history calls the files."""
        trees = [tree for one in self.selections for tree in one.trees]
        kind = "multi" if len(trees) > 1 else "file" if trees and trees[0].name else "dir"
        return f"{kind}:{digest.removeprefix('sha256:')}"

    def fork(self, snapshot: Snapshot, state: State) -> worker.Worker:
        """Start the process that copies them into a snapshot."""
        engine, into = self._build.engine, self._into
        return _fork(engine, snapshot, self._instruction, state, lambda: self.selections, into=into)

    def close(self) -> None:
        """Close what was got from elsewhere."""
        for added in self._opened:
            added.close()


class LayersOrigin:
    """Files of a stage or of an image."""

    def __init__(
        self, build: Build, instruction: FileInstruction, layers: tuple[StepLayer, ...], identity: str
    ) -> None:
        self._build = build
        self._instruction = instruction
        self._layers = layers
        self._identity = identity

    def close(self) -> None:
        """There is nothing to close: only the process that copies has them open."""

    def digest(self) -> str:
        """Return what tells these files from others without a look at them: all that they are among."""
        return f"layers:{self._identity}"

    def content(self) -> Generator[int | Needs, None, str]:
        """Return what tells these files from others whatever they are among; they are read for it.

        Raises StorageError for what cannot be copied, LostError.
        """

        def read(root: int) -> str:
            return ",".join(digests.digest(one, KnownDigests()) for one in self._selections(root))

        layers = self._build.layer_keys(self._layers)
        return f"files:{(yield from read_layers(self._build.engine, layers, read))}"

    def told(self, digest: str) -> str:
        """Return what the image's history calls the files, which it has as a layer of this digest."""
        kind = "multi" if len(self._instruction.sources) > 1 else "file"
        return f"{kind}:{digest.removeprefix('sha256:')}"

    def fork(self, snapshot: Snapshot, state: State) -> worker.Worker:
        """Start the process that copies them into a snapshot."""
        engine, layers = self._build.engine, self._build.layer_keys(self._layers)
        target = f"{snapshot.staging.path}/from"
        into = bool(self._instruction.sources and self._instruction.heredocs)

        def selections() -> list[Selection]:
            return self._selections(mounted(engine, layers, target))

        return _fork(engine, snapshot, self._instruction, state, selections, into=into)

    def _selections(self, root: int) -> list[Selection]:
        """Return what is to be copied from below the root of the layers."""
        sources, documents = self._instruction.sources, _documents(self._instruction)
        if not sources:
            return documents
        return [selection.select(root, sources, _wanted(self._instruction, None)), *documents]


def _documents(instruction: FileInstruction) -> list[Selection]:
    """Return the files that an instruction brings itself, if there are any; of two with one name the last."""
    named = {heredoc.name: heredoc.body.encode() for heredoc in instruction.heredocs}
    return [selection.inline(list(named.items()), time=time.time_ns())] if named else []


def _wanted(instruction: FileInstruction, place: Place | None) -> selection.Wanted:
    return selection.Wanted(
        rules=place.ignored.rules if place else IgnoreRules(),
        excludes=instruction.excludes,
        parents=isinstance(instruction, Copy) and instruction.parents,
        from_image=place is None,
        shown=place.shown if place else "",
        ignored_by=place.ignored.path if place else "",
    )


def _fork(
    engine: Engine,
    snapshot: Snapshot,
    instruction: FileInstruction,
    state: State,
    selections: Callable[[], list[Selection]],
    *,
    into: bool = False,
) -> worker.Worker:
    """Start the process that mounts a snapshot and copies selections into it; `into` a directory, if that is said.

    Its value `changed` tells whether a file was not any more what its digest says.
    """
    destination = f"{instruction.destination.rstrip('/')}/" if into else instruction.destination
    overlay = snapshot.overlay()
    single_id, devices = engine.single_id, not engine.config.rootless

    def run(_report: Callable[[int], None]) -> dict[str, Any]:
        enter_mount_namespace()
        try:
            mount_overlay(overlay)
            root = os.open(overlay.target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            change = copying.Change(
                owner=owners.resolve(root, instruction.chown) if instruction.chown else None,
                mode=modes.Mode(instruction.chmod) if instruction.chmod else None,
                lenient=single_id,
                devices=devices,
            )
            done = [copying.copy(one, root, destination, workdir=state.workdir, change=change) for one in selections()]
        except PodError as error:
            raise StorageError(str(error), hint=error.hint) from error
        return {"changed": any(one.changed for one in done)}

    return worker.fork(worker.Worker, run, "copy")
