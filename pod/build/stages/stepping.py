"""One stage, step by step: what is known already is taken from the cache, the rest is done and kept there."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pod.build.asked import entitlements, outcome
from pod.build.cache import keys
from pod.build.language import instructions as language
from pod.build.language.parser import parse_trigger
from pod.build.mounts import gathering
from pod.build.results import committing
from pod.build.stages import evaluation, telling
from pod.build.stages.evaluation import State, StepLayer
from pod.build.stages.scheduling import Needs, settled
from pod.build.steps import copying, running, workdir
from pod.build.watching import StepPlace
from pod.errors import PodError, report
from runtime.errors import NotExecutableError, OCIRuntimeError
from storage import adopting
from storage.build_cache import Step
from storage.errors import StorageError
from storage.interrupts import InterruptedByError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from pod.build.building import Build
    from pod.build.language.instructions import Instruction
    from pod.build.stages.graph import Node
    from pod.build.steps.snapshots import Snapshot

    Wait = Generator[int | Needs, None, None]


class StepError(PodError):
    """A step failed; `code` is that of its program, if it has one."""

    def __init__(self, text: str, cause: str, *, hint: str = "", code: int = 125) -> None:
        super().__init__(f'building at STEP "{text}": {cause}', hint=hint, code=code)


class _ChangedError(Exception):
    """A file was written to after its digest was taken."""


@dataclass(frozen=True)
class _FileStep:
    """A step that changes files: its key, what history says (of the layer's diffID), what makes it in a snapshot.

    `other_key` gives a second key, for what it takes longer to know.
    """

    key: str
    told: Callable[[str], str]
    make: Callable[..., Wait]
    other_key: Callable[[], Generator[int | Needs, None, str]] | None = None


class StageBuild:
    """The making of one stage."""

    def __init__(self, build: Build, node: Node) -> None:
        self.build = build
        self.node = node
        self.times = build.options.times
        self._place = StepPlace(0, 0, 0, 0, "", 0, 0)
        self._instructions = node.stage.instructions
        self._triggers = 0  # how many of them are the image's
        self._is_trigger = False  # this step is one
        self._open: Snapshot | None = None  # where all steps are to be one layer
        self._cached = False  # nothing had to be done for this step
        self._last = 0  # the place in the history of the last step in it

    def run(self) -> Generator[int | Needs, None, State]:
        """Take all steps; returns what the stage comes to. Raises StepError."""
        self._begin(1, self.node.stage.base)
        try:
            state = yield from self._first_state()
        except Exception:
            self.build.watcher.failed(self._place)
            raise
        state = self._with_labels(self._fire(state))
        self._end(state)
        try:
            for number, written in enumerate(self._instructions, 2):
                self._begin(number, written)
                state = yield from self._attempt(state, written)
                self._end(state)
            if self._open is not None:
                state = yield from self._close(state)
        finally:
            if self._open is not None:
                self._open.discard()
        if self.node.stage.index != self.build.wanted:
            state = outcome.with_labels(state, dict(self.build.options.outcome.layer_labels))
        return state

    def _begin(self, number: int, instruction: Instruction) -> None:
        build, stage = self.build, self.node.stage
        self._is_trigger = 2 <= number < 2 + self._triggers
        self._place = StepPlace(
            stage.index + 1,
            len(build.nodes),
            number,
            len(self._instructions) + 1,
            instruction.text,
            0 if self._is_trigger else instruction.line,
            0 if self._is_trigger else instruction.end_line,
            stage.index == build.wanted and number == len(self._instructions) + 1,
            build.options.shown_platform,
            build.is_parallel,
        )
        build.places[stage.index] = self._place
        self._cached = False
        build.watcher.begin(self._place)

    def _end(self, state: State) -> None:
        identity = self._identity(state)
        if self._cached:
            self.build.watcher.cached(self._place, identity)
        self.build.watcher.end(self._place, identity)

    def _identity(self, state: State) -> str:
        """Return the ID that an image of a state would have."""
        return committing.identity(self.build.engine.store, state, self.build.options)

    def _fire(self, state: State) -> State:
        """Put the triggers of the image or stage below (ONBUILD) before the stage's own instructions."""
        triggers = state.config.get("OnBuild") or ()
        if not triggers:
            return state
        self._instructions = (*map(parse_trigger, triggers), *self._instructions)
        self._triggers = len(triggers)
        return replace(state, config={name: value for name, value in state.config.items() if name != "OnBuild"})

    def _first_state(self) -> Generator[int | Needs, None, State]:
        """Return what the stage begins with: nothing, an image, or what another stage came to."""
        node = self.node
        if node.base is not None:
            yield Needs(node.base)
            return replace(self.build.state_of(node.base), has_command=False)
        if node.image == "scratch":
            config = evaluation.with_path({"WorkingDir": "/"})
            return self._with_options(State(key=keys.of_image("", {}), config=config, created=time.time()))
        state = yield from self.build.image_state(node, node.stage.base.platform)
        return self._with_options(state)

    def _with_options(self, state: State) -> State:
        """Let a stage begin with what the command line says of all its steps."""
        key = keys.with_times(state.key, self.build.options.times)
        return self._with_environment(replace(state, key=key, created=self.times.of(state.created)))

    def _with_labels(self, state: State) -> State:
        """Let a stage begin without labels that it is not to inherit, and with those that --stage-labels gives it."""
        asked, node = self.build.options.outcome, self.node
        state = replace(state, config=asked.inherited(state.config))
        if not asked.stage_labels or not self._instructions:
            return state
        base = node.image if node.base is None else self._identity(self.build.state_of(node.base))
        return outcome.with_labels(state, outcome.of_stage(node.stage, base), over=True)

    def _with_environment(self, state: State) -> State:
        """Let a stage begin with the variables of --env; ENV may change them (podman-build(1))."""
        pairs = self.build.options.environment
        if not pairs:
            return state
        env = language.Env(line=0, end_line=0, text="", pairs=pairs)
        key = keys.of_setting(state, env, format=self.build.options.format)
        return replace(evaluation.apply(state, env), key=key)

    def _attempt(self, state: State, written: Instruction) -> Generator[int | Needs, None, State]:
        """Take one step; what fails is told with the step's text."""
        try:
            return (yield from self._take(state, written))
        except (StepError, InterruptedByError):
            self.build.watcher.failed(self._place)
            raise
        except (PodError, StorageError, OCIRuntimeError) as error:
            self.build.watcher.failed(self._place)
            told = report(error)
            code = told[2] if told else PodError.code
            raise StepError(written.text, str(error), hint=getattr(error, "hint", ""), code=code) from error

    def _take(self, state: State, written: Instruction) -> Generator[int | Needs, None, State]:
        build = self.build
        if isinstance(written, language.Arg):
            return self._declare(state, written)
        instruction = build.expanded(written, state.variables, trigger=self._is_trigger)
        match instruction:
            case language.Run():
                return (yield from self._run(state, instruction))
            case language.FileInstruction():
                return (yield from self._copy(state, instruction))
        return self._set(state, instruction)

    def _declare(self, state: State, argument: language.Arg) -> State:
        """Take an ARG: of the image only its history tells of it, and of what follows only the key of RUN."""
        known, trigger = self.build.known, self._is_trigger
        values = self.build.declared(argument, state.variables, known, trigger=trigger)
        step = self._setting(state, keys.of_setting(state, argument, format=self.build.options.format))
        after = replace(state, arguments={**state.arguments, **values})
        names = " ".join(sorted(after.arguments))  # of all that have a value, as podman tells them
        return replace(
            after, history=(*state.history, telling.without_files(after, self.times.of(step.made), f"ARG {names}"))
        )

    def _set(self, state: State, instruction: Instruction) -> State:
        """Take a step that changes no file."""
        docker = self.build.options.format == "docker"
        key = keys.of_setting(state, instruction, format=self.build.options.format)
        step = self._setting(state, key)
        self._note(instruction, docker=docker)
        after = evaluation.apply(state, instruction, docker=docker)
        history = (*state.history, telling.without_files(after, self.times.of(step.made), instruction.text))
        return replace(after, key=key, created=self.times.of(step.made), history=history)

    def _setting(self, state: State, key: str) -> Step:
        """Return when a step that changes no file was first taken."""
        step = self.build.known_step(key)
        self._cached = step is not None
        if step is None:
            made = self.build.made_now(state)
            step = Step(key, "", "", 0, made, time.time())
            if not self.build.options.repositories:  # else it is not the time at which this was first done
                self.build.keep(step)
        return step

    def _note(self, instruction: Instruction, *, docker: bool) -> None:
        """Warn of what the format of the image has no place for, in podman's words."""
        if not docker and isinstance(instruction, (language.Healthcheck, language.Onbuild)):
            self.build.warn(
                f"{instruction.keyword} is not supported for OCI image format and will be ignored."
                " Must use `docker` format"
            )

    def _run(self, state: State, instruction: language.Run) -> Generator[int | Needs, None, State]:
        build = self.build
        entitlements.check(instruction, build.options.allowed)
        cdi = build.engine.config.cdi_spec_dirs
        gathered = yield from gathering.gather(build, self.node, state, instruction)
        try:
            words = gathering.words(gathered, state, instruction)

            def key(digests: list[str]) -> str:
                return keys.of_run(
                    state,
                    words,
                    text=instruction.shell_text,
                    network=build.network(instruction),
                    mounts=[repr(mount) for mount in (*build.options.mounts, *instruction.mounts)],
                    digests=digests,
                    beyond=[instruction.security, *entitlements.devices(instruction, cdi)],
                    **dict(build.options.surroundings),
                )

            def other_key() -> Generator[int | Needs, None, str]:
                return key((yield from gathered.other_digests()))

            told, make = telling.of_run(state, instruction), self._runner(state, instruction, words, gathered)
            step = _FileStep(key(gathered.digests), lambda _: told, make, other_key if gathered.contents else None)
            return (yield from self._file_step(state, step))
        finally:
            gathered.close()

    def _runner(
        self, state: State, instruction: language.Run, words: list[str], gathered: gathering.Mounts
    ) -> Callable[[Snapshot], Wait]:
        build, output = self.build, self._output()

        def make(snapshot: Snapshot) -> Wait:
            options = build.run_options(state, instruction, words)
            gathered.prepare()
            if workdir.is_hidden(state.workdir, (one.target for one in gathered.attached)):
                yield from workdir.making(snapshot, state.workdir, options.user or "")
            try:
                code = yield from running.run(
                    build.engine, snapshot, options, gathered, state, output, build.warn, build.left
                )
            except NotExecutableError as error:
                raise PodError(str(error), hint=running.foreign(state) or error.hint, code=126) from error
            if code:
                raise PodError(f"while running runtime: exit status {code}", code=code)

        return make

    def _output(self) -> Callable[[int, bytes], None]:
        place, watcher = self._place, self.build.watcher

        def output(stream: int, data: bytes) -> None:
            watcher.output(place, stream, data)

        return output

    def _copy(self, state: State, instruction: language.FileInstruction) -> Generator[int | Needs, None, State]:
        origin = yield from copying.origin(self.build, self.node, instruction)
        digest = origin.digest()

        def told(files: str) -> str:
            return f"/bin/sh -c #(nop) {instruction.keyword} {origin.told(files)} in {instruction.destination} "

        def make(snapshot: Snapshot, *, anyway: bool = False) -> Wait:
            given = yield from settled(origin.fork(snapshot, state))
            if given["changed"] and not anyway:
                raise _ChangedError

        step = _FileStep(keys.of_copy(state, instruction, digest), lambda _: told(digest), make)
        try:
            if isinstance(origin, copying.LayersOrigin):
                step = replace(step, told=told, other_key=self._by_files(state, instruction, origin))
            try:
                return (yield from self._file_step(state, step))
            except _ChangedError:
                # Someone writes to the context: what is copied is not what the key says, and gets one of its own.
                alone = replace(step, key=os.urandom(32).hex(), make=lambda one: make(one, anyway=True))
                return (yield from self._file_step(state, alone))
        finally:
            origin.close()

    @staticmethod
    def _by_files(
        state: State, instruction: language.FileInstruction, origin: copying.LayersOrigin
    ) -> Callable[[], Generator[int | Needs, None, str]]:
        """Return what gives the key of a COPY by the files alone: a stage may change in all else."""

        def key() -> Generator[int | Needs, None, str]:
            return keys.of_copy(state, instruction, (yield from origin.content()))

        return key

    def _file_step(self, state: State, asked: _FileStep) -> Generator[int | Needs, None, State]:
        """Take a step that changes files: what it came to before, or what is made of a snapshot."""
        build = self.build
        if build.in_one_layer:
            return (yield from self._into_open(state, asked))
        key = asked.key
        step = yield from build.known_result(key)
        if step is None and asked.other_key is not None:
            key = yield from asked.other_key()
            step = yield from build.known_result(key)
        if step is None:
            step = yield from self._done(state, key, asked.make)
        else:
            self._cached = True
        if key != asked.key and step.layer:
            build.keep(replace(step, key=asked.key))
        layer = StepLayer(step.diff_id, step.layer, step.size, "" if step.layer else key)
        history = (*state.history, telling.entry(state, self.times.of(step.made), asked.told(step.diff_id)))
        made = self.times.of(step.made)
        after = keys.after(state, step.diff_id)
        return replace(state, key=after, created=made, layers=(*state.layers, layer), history=history)

    def _done(self, state: State, key: str, make: Callable[[Snapshot], Wait]) -> Generator[int | Needs, None, Step]:
        """Do a step, and keep what it came to."""
        snapshot = self.build.snapshot(state)
        try:
            yield from make(snapshot)
            step = yield from self._adopt(state, key, snapshot)
        finally:
            snapshot.discard()
        self.build.keep(step)
        return step

    def _adopt(self, state: State, key: str, snapshot: Snapshot) -> Generator[int | Needs, None, Step]:
        """Make a layer of what a snapshot holds."""
        engine = self.build.engine
        adoption = adopting.fork_adoption(snapshot.staging, self.times.files)
        yield from settled(adoption)
        layer = adopting.publish(
            engine.store,
            snapshot.staging,
            adoption.result(),
            rootless=engine.config.rootless,
            single_id=engine.single_id,
            times=self.times.files,
        )
        below = tuple(layer.diff_id for layer in state.layers)
        stored = adopting.key_over(engine.store, below, snapshot.top, layer)
        return Step(key, stored, layer.diff_id, layer.size, time.time(), time.time())

    def _into_open(self, state: State, asked: _FileStep) -> Generator[int | Needs, None, State]:
        """Take a step whose changes come to those of the steps before, in one layer."""
        if self._open is None:
            self._open = self.build.snapshot(state)
        yield from asked.make(self._open)
        made, key = self.times.of(time.time()), asked.key
        entry = telling.entry(state, made, asked.told(key)) | {"empty_layer": True}
        self._last = len(state.history)
        return replace(state, key=key, created=made, history=(*state.history, entry))

    def _close(self, state: State) -> Generator[int | Needs, None, State]:
        """Make the layer of all steps."""
        assert self._open is not None
        step = yield from self._adopt(state, state.key, self._open)
        self._open.discard()
        self._open = None
        history = [dict(entry) for entry in state.history]
        del history[self._last]["empty_layer"]
        return replace(
            state,
            layers=(*state.layers, StepLayer(step.diff_id, step.layer, step.size)),
            history=tuple(history),
        )
