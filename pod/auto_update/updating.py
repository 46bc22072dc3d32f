"""Updating containers: is there a newer image, have it, restart the unit; if that fails, put the old one back.

A command that is killed at any moment leaves the record of pending.py, and the next one completes what it began.
"""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pod import events, registries
from pod.auto_update import pending
from pod.auto_update.policy import REGISTRY
from pod.auto_update.tasks import CURRENT, FAILED, PENDING, ROLLED_BACK, UPDATED, assemble
from pod.auto_update.units import Units
from pod.errors import PodError
from pod.images import pulls
from storage import images, transfer
from storage.errors import StorageError
from storage.interrupts import InterruptedByError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pod.auto_update.tasks import Task
    from pod.engine import Engine
    from pod.images.showing import Shown
    from runtime.errors import OCIRuntimeError
    from storage.registry.options import RegistryOptions

    Failure = PodError | StorageError | OCIRuntimeError


class Updater:
    """One run of auto-update; `registry` are arguments of registries.options."""

    def __init__(
        self, engine: Engine, shown: Shown, *, registry: dict[str, Any], dry_run: bool = False, rollback: bool = True
    ) -> None:
        self.engine = engine
        self.shown = shown
        self.registry = registry
        self.dry_run = dry_run
        self.rollback = rollback
        self.errors: list[Failure] = []
        self._fetched: dict[str, str] = {}  # name -> ID of the image that the registry has now

    def run(self) -> list[Task]:
        """Update every unit that has a newer image; return all tasks with what became of them.

        `errors` has what went wrong. Raises PodError or OCIRuntimeError if systemd cannot be reached.
        """
        with _lock(self.engine), Units(self.engine.config) as units:
            begun = pending.load(self.engine)
            by_unit, errors = assemble(self.engine)
            self.errors += errors
            if not by_unit and not begun:
                return []
            events.record(self.engine.config, "system", "auto-update")
            if self.dry_run:
                return self._dry_run(by_unit, begun)
            done: list[Task] = []
            for unit, tasks in begun.items():
                if self._is_interrupted(units, unit, tasks):
                    by_unit.pop(unit, None)
                    self._bring_up(units, unit, tasks, anew=False)
                    done += tasks
            for unit, tasks in by_unit.items():
                if self._fetch_all(tasks):
                    self._bring_up(units, unit, tasks, anew=True)
                done += tasks
            return done

    def _dry_run(self, by_unit: dict[str, list[Task]], begun: dict[str, list[Task]]) -> list[Task]:
        for unit, tasks in begun.items():
            if unit not in by_unit:
                by_unit[unit] = tasks
                for task in tasks:
                    task.status = PENDING
        found = [task for tasks in by_unit.values() for task in tasks]
        for task in found:
            if task.status != PENDING:
                self._fetch(task)
        return found

    def _is_interrupted(self, units: Units, unit: str, tasks: list[Task]) -> bool:
        """Tell whether a killed command's work on a unit is to be completed; if not, forget of it.

        A unit that is up needs nothing more than any other, and one that was stopped since is not wanted.
        """
        state = units.state(unit)
        if state not in ("active", "inactive"):
            return True
        if state == "inactive":
            self.shown.note(f"unit {unit} was stopped while it was updated: it is left as it is")
        pending.forget(self.engine, tasks)
        return False

    def _fetch_all(self, tasks: list[Task]) -> bool:
        """Fetch what is newer; tell whether something is."""
        fetched = [self._fetch(task) for task in tasks]
        return any(fetched)

    def _fetch(self, task: Task) -> bool:
        """Have the newer image of a container, if there is one, in the store under its name; note what came of it."""
        said = "checking image updates"
        try:
            if not self._has_newer(task):
                task.status = CURRENT
            elif self.dry_run:
                task.status = PENDING
            else:
                said = "updating image"
                pending.keep(self.engine, task)
                if self._pulled(task) != task.image:
                    return True
                pending.forget(self.engine, [task])
                task.status = CURRENT
        except InterruptedByError:
            raise
        except (PodError, StorageError) as error:
            task.status = FAILED
            text = f"{said} for container {task.container_id}: {error}"
            self.errors.append(PodError(text, hint=error.hint))
        return False

    def _has_newer(self, task: Task) -> bool:
        if task.policy != REGISTRY:
            return images.resolve(self.engine.store, task.image_name).id != task.image
        if task.image_name in self._fetched:
            return self._fetched[task.image_name] != task.image
        name = pulls.source(task.image_name)
        options = self._options(task)
        if transfer.remote_digest(name, options=options) in images.load(self.engine.store, task.image).digests:
            return False
        # It may be no more than another index of the same image: without a dry run, fetching it tells.
        trust = pulls.Pull(self.engine, options=options).trust()
        return not self.dry_run or transfer.remote_id(name, options=options, trust=trust) != task.image

    def _pulled(self, task: Task) -> str:
        """Return the ID of the image that has the name now, for the registry's policy once it has been fetched."""
        if task.policy != REGISTRY:
            return images.resolve(self.engine.store, task.image_name).id
        if task.image_name not in self._fetched:
            pull = pulls.Pull(self.engine, options=self._options(task), policy="always")
            image = pull.image(task.image_name, self.shown)
            self.shown.end(image.id)
            self._fetched[task.image_name] = image.id
        return self._fetched[task.image_name]

    def _options(self, task: Task) -> RegistryOptions:
        said = {**self.registry, "authfile": task.authfile} if task.authfile else self.registry
        return registries.options(self.engine.config, **said)

    def _bring_up(self, units: Units, unit: str, tasks: list[Task], *, anew: bool) -> None:
        """Have the unit run with its new images, or else with the old ones."""
        failure = units.bring_up(unit, anew=anew)
        if not failure:
            self._note(tasks, UPDATED if anew or self._has_new_names(tasks) else ROLLED_BACK)
        elif not self.rollback:
            self._note(tasks, FAILED)
            self._fail(unit, f"restarting unit {unit} during update: {failure}")
        else:
            self.shown.note(f"restarting unit {unit} during update: {failure}: going back to the image before")
            self._roll_back(units, unit, tasks)
            return
        pending.forget(self.engine, tasks)

    def _roll_back(self, units: Units, unit: str, tasks: list[Task]) -> None:
        """Give the old images their names and restart the unit; if that fails, the record stays for the next run."""
        for task in tasks:
            try:
                images.tag(self.engine.store, task.image, task.image_name)
            except StorageError as error:
                text = f"rolling back image for container {task.container_id} in unit {unit}: {error}"
                self.errors.append(PodError(text, hint=error.hint))
            else:
                events.record(self.engine.config, "image", "tag", id=task.image, name=task.image_name)
        units.forgive(unit)
        failure = units.bring_up(unit, anew=True)
        if failure:
            self._note(tasks, FAILED)
            self._fail(unit, f"restarting unit {unit} during rollback: {failure}")
            return
        self._note(tasks, ROLLED_BACK)
        pending.forget(self.engine, tasks)

    def _has_new_names(self, tasks: list[Task]) -> bool:
        """Tell whether a name has gone to another image, so that the killed command was not rolling back."""
        return any(self._stored(task) != task.image for task in tasks)

    def _stored(self, task: Task) -> str:
        try:
            return images.resolve(self.engine.store, task.image_name).id
        except StorageError:
            return ""

    def _note(self, tasks: list[Task], status: str) -> None:
        for task in tasks:
            if task.status != FAILED:  # its own image could not be had
                task.status = status

    def _fail(self, unit: str, text: str) -> None:
        user = "--user " if self.engine.config.rootless else ""
        self.errors.append(PodError(text, hint=f"systemctl {user}status {unit}"))


@contextmanager
def _lock(engine: Engine) -> Iterator[None]:
    """Let one command at a time update containers; released by the kernel however it ends."""
    with open(f"{engine.config.graphroot}/auto-update.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
