"""A build as a whole: from the stages of a Containerfile to an image in the store.

This process alone uses the database. What takes time (containers, copying, hashing) are processes of their own, which
end with it; what they leave in staging directories and rows of `--rm` containers is swept by the next command.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from pod import events
from pod.build import holding
from pod.build.asked import entitlements, outcome
from pod.build.cache import keys
from pod.build.cache.registries import LostError, RegistryCache
from pod.build.context.known import KnownDigests
from pod.build.language.predefined import PROXIES
from pod.build.results import archiving, committing, exporting, squashing
from pod.build.results.basis import full_name
from pod.build.stages import evaluation, graph
from pod.build.stages.evaluation import State, StepLayer
from pod.build.stages.scheduling import Needs, Schedule
from pod.build.stages.stepping import StageBuild, StepError
from pod.build.stages.written import Written
from pod.build.steps import running
from pod.build.steps.snapshots import Snapshot, base
from pod.containers.create import CreateOptions
from pod.errors import PodError
from storage import build_cache, database, durability, gc, images, rootfs
from storage.build_cache import Step
from storage.database import transaction
from storage.errors import ImageNotFoundError, StorageError
from storage.interrupts import Interrupts
from storage.platform import Platform, host, parse

if TYPE_CHECKING:
    from collections.abc import Generator, Hashable, Mapping

    from pod.build.asked.options import BuildOptions
    from pod.build.language.instructions import Run
    from pod.build.stages.graph import Node
    from pod.build.watching import StepPlace, Watcher
    from pod.engine import Engine
    from pod.state import Container
    from storage.images import Image

    Found = Image | PodError | StorageError

# What the config of an image says of where it runs.
_PLATFORM = ("architecture", "os", "variant", "os.version", "os.features")


def build(engine: Engine, options: BuildOptions, watcher: Watcher) -> Image:
    """Make the image; its names are given to it in the same commit. Whatever fails leaves none.

    A signal while caches in registries are written ends the command with the image there, and all told of it.
    Single-threaded callers only. Raises PodError, StorageError, OCIRuntimeError.
    """
    interrupts = Interrupts()
    made = Build(engine, options, watcher, interrupts)
    try:
        names = [images.tag_name(name) for name in options.names]
        image = _publish(made, names)
        archiving.archive(engine.store, image, names, options.outputs)
        with interrupts, engine.store.publishing():
            made.push_steps()
    finally:
        made.registries.close()
    return image


def _publish(made: Build, names: list[str]) -> Image:
    engine, options, interrupts = made.engine, made.options, made.interrupts
    try:
        with interrupts, engine.store.publishing():
            try:
                state = made.finished(made.run())
            except StepError:
                made.push_steps()  # what went before need not be done again
                raise
            layers = [layer.key for layer in state.layers]
            exporting.export(engine, layers, options.outputs, options.times, interrupts)
            with interrupts.waiting():  # for gpg
                image = committing.publish(engine.store, state, options, names)
            if options.outcome.save_stages:
                made.save_stages()
            build_cache.note_use(engine.store, made.used)
            if options.keeper:
                with transaction(engine.connection):
                    images.pin(engine.connection, image.id, options.keeper)
    finally:
        gc.sweep(engine.store)  # first: on a full disk only what this deletes lets the database change
        made.close()
    if made.has_new_layers:
        durability.begin(engine.store)
    events.record(engine.config, "image", "build", id=image.id, name=names[0] if names else "")
    return image


@dataclass(frozen=True)
class Base:
    """An image that stages need."""

    name: str
    platform: Platform | None


class Build(Written):
    """What the stages of one build share."""

    def __init__(self, engine: Engine, options: BuildOptions, watcher: Watcher, interrupts: Interrupts) -> None:
        super().__init__(options)
        self.engine = engine
        self.watcher = watcher
        self.interrupts = interrupts
        self.used: list[Step] = []
        self.left: list[Container] = []  # of RUN, to be removed when there is space
        self.has_new_layers = False
        self.registries = RegistryCache(engine, options.repositories, interrupts, self.warn)
        self.known_digests = KnownDigests(_digests_path(engine, options))
        self._owner = holding.owner()
        self.places: dict[int, StepPlace] = {}  # where each stage is
        self._results: dict[Hashable, State | Found] = {}
        self._asking: dict[Base, StepPlace] = {}
        self._warnings: set[str] = set()

    def run(self) -> State:
        """Take the stages that are needed to their ends; return what the wanted one comes to."""
        for notice in self.notices():
            self.warn(notice)
        while True:
            schedule: Schedule[State | Found] = Schedule(self._begin, self.needed, self.options.jobs)
            self._results = schedule.results
            with suppress(LostError):  # what was done is known by now
                schedule.run(self.interrupts, self.watcher.tick)
                state = self.state_of(self.wanted)
                if unused := self.unused_arguments():
                    self.warn(f"one or more build args were not consumed: [{' '.join(unused)}]")
                return replace(state, layers=self.registries.present(state.layers))

    def _begin(self, task: int | Base) -> Generator[int | Needs, None, State | Found]:
        return self._find(task) if isinstance(task, Base) else StageBuild(self, self.nodes[task]).run()

    def state_of(self, index: int) -> State:
        """Return what a stage has come to that is at its end."""
        state = self._results[index]
        assert isinstance(state, State)
        return state

    def image(self, node: Node, name: str, platform: str = "") -> Generator[int | Needs, None, Image]:
        """Return an image that a stage begins with or takes files of, and keep it as long as the build goes on.

        All stages that need it wait for the one process that gets it, and with its error each of them fails.
        """
        base = Base(self.source(name), parse(platform) if platform else self.options.platform)
        if base not in self._results:
            self._asking.setdefault(base, self.places[node.stage.index])
            yield Needs(base, keeps_turn=True)
        found = self._results[base]
        if isinstance(found, Exception):
            if hint := graph.meant(self.nodes, node, name):
                raise PodError(str(found), hint=hint) from found
            raise found
        assert not isinstance(found, State)
        return found

    def _find(self, base: Base) -> Generator[int | Needs, None, Found]:
        place = self._asking[base]

        def tell(line: str) -> None:
            self.watcher.output(place, 2, f"{line}\n".encode())

        try:
            image = None
            while image is None:
                image = self._kept((yield from self.options.find_image(base.name, base.platform, self._owner, tell)))
            rootfs.lowers(self.engine.store, image)  # says now if a layer is damaged
        except (PodError, StorageError) as error:
            return error
        return image

    def _kept(self, image: Image) -> Image | None:
        """Keep an image; None if it has been removed since it was found, and so is to be pulled."""
        with suppress(ImageNotFoundError), transaction(self.engine.connection):
            images.pin(self.engine.connection, image.id, self._owner)
            return image
        return None

    def image_state(self, node: Node, platform: str) -> Generator[int | Needs, None, State]:
        """Return what a stage begins with that stands on an image."""
        name = self.source(node.image)
        try:
            image = yield from self.image(node, node.image, platform)
        except Exception as error:
            if not hasattr(error, "hint"):
                raise
            raise PodError(f"creating build container: {error}", hint=str(getattr(error, "hint", ""))) from error
        document = json.loads(image.config)
        self._check_platform(document, platform)
        config, base = document.get("config") or {}, full_name(image, name)
        return State(
            key=keys.of_image(image.id, {}),
            parent=image.id,
            base=base,
            config=evaluation.with_path(config),
            platform={name: document[name] for name in _PLATFORM if document.get(name)},
            author=document.get("author") or "",
            annotations=outcome.annotations_on(json.loads(image.manifest), base, image.digest),
            layers=self.layers(image),
            created=image.created,
            shell=tuple(config.get("Shell") or evaluation.DEFAULT_SHELL),
        )

    def _check_platform(self, document: Mapping[str, Any], asked: str) -> None:
        """Warn of an image below that is another machine's than is asked for, in podman's words."""
        wanted = parse(asked) if asked else self.options.platform or host()
        found = Platform(document.get("os") or "", document.get("architecture") or "", document.get("variant") or "")
        if (found.os, found.architecture) != (wanted.os, wanted.architecture) and found.architecture:
            self.warn(f"image platform ({found}) does not match the expected platform ({wanted})")

    def layers(self, image: Image) -> tuple[StepLayer, ...]:
        """Return the layers of an image."""
        return tuple(StepLayer(*row) for row in images.layers(self.engine.store, image.id))

    @property
    def is_parallel(self) -> bool:
        """Whether stages may go on at the same time."""
        return self.options.jobs != 1 and len(self.needed) > 1

    @property
    def in_one_layer(self) -> bool:
        """Whether the steps of a stage become one layer: then none is known before or kept."""
        return not self.options.layers or self.options.squash or self.options.squash_all

    def snapshot(self, state: State) -> Snapshot:
        """Return a place for changes over the layers of a state."""
        self.has_new_layers = True
        return Snapshot(self.engine, self.layer_keys(state.layers))

    def layer_keys(self, layers: tuple[StepLayer, ...]) -> list[str]:
        """Return the keys of layers, which are in the store then. Raises LostError."""
        return [layer.key for layer in self.registries.present(layers)]

    def known_step(self, key: str) -> Step | None:
        """Return what a step came to before, if that may be taken."""
        if not self.options.cache or self.in_one_layer:
            return None
        step = build_cache.find(self.engine.store, key, since=self.options.cache_since)
        if step is not None:
            self.used.append(step)
            self.registries.note(step)
        return step

    def known_result(self, key: str) -> Generator[int, None, Step | None]:
        """Return what a step that changes files came to before, here or elsewhere: then without a layer."""
        step = self.known_step(key)
        if step is not None or not self.options.cache or self.in_one_layer:
            return step
        found = yield from self.registries.find(key, self.options.cache_since)
        return Step(key, "", found.diff_id, 0, found.made, 0.0) if found is not None else None

    def keep(self, step: Step) -> None:
        """Keep what a step has come to for later builds."""
        if not self.in_one_layer:
            build_cache.keep(self.engine.store, step)
            self.registries.note(step)

    def made_now(self, state: State) -> float:
        """Return when a step is made that changes no file.

        With a cache in registries it is when the step before was: two machines are to come to the same image.
        """
        return state.created if self.options.repositories and state.created else time.time()

    def push_steps(self) -> None:
        """Write what steps came to into the caches in registries."""
        for name in self.registries.push():
            self.watcher.note(f"--> Pushing cache {name}")

    def run_options(self, state: State, instruction: Run, words: list[str]) -> CreateOptions:
        """Return what the container of a RUN is to be."""
        given = {name: value for name, value in self.options.arguments.items() if name in PROXIES}
        options = CreateOptions()
        self.options.prepare(options)
        entitlements.grant(options, instruction, self.engine.config.cdi_spec_dirs)
        if self.options.times.made is not None and options.namespaces.get("uts") != "host":
            options.hostname = "sandbox"  # as buildah does, so that what tells it is the same each time
        running.settle(
            options,
            words,
            {**given, **state.arguments, **state.environment},
            user=str(state.config.get("User") or ""),
            workdir=state.workdir,
            network=self.network(instruction),
        )
        return options

    def network(self, instruction: Run) -> str:
        """Return which network a RUN has: what it says itself, else what the command line does."""
        return instruction.network if instruction.network not in ("", "default") else self.options.network

    def finished(self, state: State) -> State:
        """Return a state with what the command line says of the image."""
        options = self.options
        created = state.created if self._has_new_files(state) or not options.repositories else 0.0
        state = replace(state, created=options.times.of(created or time.time()))
        state = options.outcome.finished(state)
        return squashing.squashed(self.engine, state, options.times.files) if options.squash_all else state

    def _has_new_files(self, state: State) -> bool:
        """Tell whether an image has layers over its parent: of others `made_now` knows no time."""
        parent = images.load(self.engine.store, state.parent).layers if state.parent else ()
        return len(state.layers) > len(parent)

    def save_stages(self) -> None:
        """Make an image without a name of each stage that the image came of."""
        for index in self.needed:
            if index != self.wanted:
                state = self.state_of(index)
                state = replace(state, layers=self.registries.present(state.layers))
                committing.publish(self.engine.store, state, self.options, ())

    def warn(self, text: str) -> None:
        """Tell of something once."""
        if text not in self._warnings:
            self._warnings.add(text)
            self.watcher.warn(text)

    def close(self) -> None:
        """Let go of images and containers. Never fails: on a full disk, the next command that writes does it."""
        self.known_digests.save()
        for container in self.left:
            with suppress(StorageError, database.Error):
                running.discard(self.engine, container)
        with suppress(StorageError, database.Error):
            holding.release(self.engine, [self._owner])


def _digests_path(engine: Engine, options: BuildOptions) -> str:
    """Return the file of what is known of the context's files; none without a context."""
    if options.context is None:
        return ""
    name = sha256(os.fsencode(options.context.shown)).hexdigest()[:16]
    return f"{base(engine)}/digests/{name}"
