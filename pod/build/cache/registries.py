"""Results of steps in registries: `--cache-from`, `--cache-to`.

A step that is known there has its layer fetched only when something is to be done over it, or it is part of the image.
What goes wrong is a warning, and costs a build no more than what it would have been without.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pod.build.stages.evaluation import StepLayer
from storage import build_cache, chain
from storage.build_cache import Step
from storage.errors import CorruptError, ImageNotFoundError, NoSpaceError, StorageError
from storage.interrupts import InterruptedByError, Interrupts
from storage.publish import find_layer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from pod.build.cache.looking_up import LookUps
    from pod.engine import Engine
    from storage.step_images import Repository, StepImage


@dataclass(frozen=True)
class Repositories:
    """Where results are looked for, in this order, and where they are written to."""

    sources: tuple[Repository, ...] = ()
    targets: tuple[Repository, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.sources or self.targets)


class LostError(Exception):
    """Layers of steps that were known cannot be had: the build has to begin again, without them."""


class RegistryCache:
    """The results of other machines' steps, as one build sees them."""

    def __init__(
        self, engine: Engine, repositories: Repositories, interrupts: Interrupts, warn: Callable[[str], None]
    ) -> None:
        self._engine = engine
        self._repositories = repositories
        self._sources = dict(enumerate(repositories.sources))
        self._targets = repositories.targets
        self._interrupts = interrupts
        self._warn = warn
        self._found: dict[str, StepImage] = {}  # by key of the step
        self._bad: set[str] = set()  # keys of steps whose layers cannot be had
        self._here: dict[str, Step] = {}  # by key: whose layers are in the store

    def find(self, key: str, since: float) -> Generator[int, None, StepImage | None]:
        """Return what a step came to elsewhere, after a moment; waits for the processes that look."""
        for number, source in tuple(self._sources.items()) if key not in self._bad else ():
            try:
                step = yield from self._looking_up.find(number, key)
            except ImageNotFoundError:
                continue
            except CorruptError as error:
                self._bad.add(key)
                self._warn(f"a step of the cache is not used: {error}")
                continue
            except StorageError as error:
                if self._sources.pop(number, None) is not None:  # else another stage was told
                    self._warn(f"cache {source.reference} is not used: {error}")
                continue
            if step.made >= since:
                self._found[key] = step
                return step
        return None

    @cached_property
    def _looking_up(self) -> LookUps:
        from pod.build.cache.looking_up import LookUps

        return LookUps(self._repositories.sources)

    def note(self, step: Step) -> None:
        """Take what a step came to for something to write."""
        if step.layer:
            self._here[step.key] = step

    def present(self, layers: tuple[StepLayer, ...]) -> tuple[StepLayer, ...]:
        """Return layers that are all in the store: those that are only known are fetched. Raises LostError."""
        wanted = {layer.diff_id: self._found[layer.step] for layer in layers if not layer.key}
        if not wanted:
            return layers
        from storage.step_images import fetch

        store, engine = self._engine.store, self._engine
        diff_ids = [layer.diff_id for layer in layers]
        try:
            keys = fetch(
                store,
                diff_ids,
                wanted,
                self._interrupts,
                rootless=engine.config.rootless,
                single_id=engine.single_id,
            )
        except (InterruptedByError, NoSpaceError):
            raise
        except StorageError as error:
            self._lose(layers, error)
            raise LostError from error
        return tuple(self._stored(layer, key) for layer, key in zip(layers, keys, strict=True))

    def push(self) -> Iterator[str]:
        """Write the steps that were noted; yield how each that was not there is called."""
        stored = list(self._here.values())
        for target in self._targets if stored else ():
            if self._engine.single_id:
                self._warn(f"nothing is written to the cache {target.reference}: owners of files are lost here")
                continue
            try:
                for key in target.push(self._engine.store, stored, self._bad):
                    yield f"{target.reference}:{key}"
            except InterruptedByError:
                raise
            except StorageError as error:
                self._warn(f"failed pushing cache to {target.reference}: {error}")

    def _stored(self, layer: StepLayer, key: str) -> StepLayer:
        """Return a layer as it is in the store, and keep what steps came to whose layer it is."""
        if layer.key:
            return layer
        found = find_layer(self._engine.store, key)
        if found is None:
            raise LostError
        now = time.time()
        step = Step(layer.step, key, layer.diff_id, found.size, self._found[layer.step].made, now)
        build_cache.keep(self._engine.store, step)
        self.note(step)
        return StepLayer(layer.diff_id, key, found.size)

    def _lose(self, layers: Sequence[StepLayer], error: StorageError) -> None:
        """Take what could not be had for what is not there."""
        chains = chain.chain_ids([layer.diff_id for layer in layers])
        missing = [(layer, one) for layer, one in zip(layers, chains, strict=True) if not layer.key]
        lost = [layer for layer, one in missing if not chain.present(self._engine.store, layer.diff_id, one)]
        self._bad.update(layer.step for layer in lost or [layer for layer, _ in missing])
        self._warn(f"a layer of the cache cannot be had, the build begins again without it: {error}")

    def close(self) -> None:
        """End what looks for steps, and close idle connections."""
        if self._repositories.sources:
            self._looking_up.close()
        for repository in (*self._repositories.sources, *self._targets):
            repository.close()
