"""The images that a build stands on: nobody removes them before its end, however that comes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runtime import process
from storage import database, images, reserve
from storage.store import boot_id

if TYPE_CHECKING:
    from pod.engine import Engine

PREFIX = "build "


def owner() -> str:
    """Return by what name this process keeps images."""
    return f"{PREFIX}{os.getpid()} {process.start_time(os.getpid())} {boot_id()}"


def is_alive(owner: str) -> bool:
    """Tell whether an owner of this kind is a build that goes on."""
    words = owner.removeprefix(PREFIX).split(" ")
    return owner.startswith(PREFIX) and words[2] == boot_id() and process.is_alive(int(words[0]), int(words[1]))


def sweep(engine: Engine, owners: list[str]) -> None:
    """Let go of what builds kept that were killed."""
    dead = [one for one in owners if not is_alive(one)]
    if dead:
        release(engine, dead)


def release(engine: Engine, owners: list[str]) -> None:
    """Let go of what these keep. Raises StorageError."""

    def unpin() -> None:
        with database.transaction(engine.connection):
            for one in owners:
                images.unpin(engine.connection, one)

    reserve.removing(engine.store, unpin)
