"""Getting an image in a process of its own: a build goes on with other stages meanwhile.

It executes a new interpreter, for SQLite forbids a forked child to open what its parent has open, and reports as a
worker does (storage/worker.py). What is asked for comes on stdin: credentials are among it.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from pod import registries, settings
from pod.cli.progress import Lines
from pod.images import loading, pulls, transports
from pod.short_names import Resolved
from storage import images, reference, worker
from storage.database import transaction
from storage.errors import ImageNotFoundError
from storage.platform import parse

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pod.cli.building import Asked
    from pod.engine import Engine
    from storage.platform import Platform

_ATTEMPTS = 5
_CODE = "import json, sys; said = json.load(sys.stdin); sys.path[:] = said['path']; from {0} import main; main(said)"


def start(
    asked: Asked,
    name: str,
    platform: Platform | None,
    resolved: Resolved | None,
    *,
    owner: str,
    tell: Callable[[str], None],
) -> worker.Worker:
    """Start the process; its value `id` is the image, which is kept for an owner.

    `tell` gets the lines that say how it goes on.
    """
    current = {slot: getattr(settings.current, slot) for slot in settings.Settings.__slots__}
    document = {
        "path": sys.path,
        "settings": current,
        "registry": asked.registry,
        "policy": asked.pull,
        "signature_policy": asked.signature_policy,
        "platform": str(platform) if platform else "",
        "name": name,
        "owner": owner,
        "candidates": [str(one) for one in resolved.candidates] if resolved else [],
        "description": resolved.description if resolved else "",
        "record": resolved.record if resolved else "",
    }
    argv = [sys.executable, "-I", "-S", "-B", "-c", _CODE.format(__name__)]
    return worker.execute(worker.Worker, argv, json.dumps(document).encode(), f"pull {name}", tell)


def main(said: dict[str, Any]) -> None:
    """Be that process."""
    from pod.engine import open_engine

    for slot, value in said["settings"].items():
        setattr(settings.current, slot, value)
    output = os.dup(1)
    os.dup2(2, 1)  # what is printed is for the user

    def work(report: worker.Report) -> dict[str, Any]:
        return {"id": _kept(open_engine(write=True, sweep=False), said, _Told(report))}

    worker.serve(output, f"pull {said['name']}", work)


class _Told(Lines):
    """Podman's lines, for the one that shows the build."""

    def __init__(self, report: worker.Report) -> None:
        super().__init__()
        self._report = report

    def say(self, text: str) -> None:
        """Tell a line."""
        self._report.text(text)


def _kept(engine: Engine, said: dict[str, Any], shown: Lines) -> str:
    """Pull the image, once more if it was removed at once."""
    for _ in range(_ATTEMPTS - 1):
        image = _pull(engine, said, shown)
        with suppress(ImageNotFoundError):
            return _keep(engine, said, image)
    return _keep(engine, said, _pull(engine, said, shown))


def _keep(engine: Engine, said: dict[str, Any], image: str) -> str:
    with transaction(engine.connection):
        images.pin(engine.connection, image, said["owner"])
    return image


def _pull(engine: Engine, said: dict[str, Any], shown: Lines) -> str:
    platform = parse(said["platform"]) if said["platform"] else None
    pull = pulls.Pull(
        engine,
        options=registries.options(engine.config, **said["registry"]),
        policy=said["policy"],
        platform=platform,
        signature_policy=said["signature_policy"],
    )
    if said["candidates"]:
        candidates = tuple(map(reference.parse, said["candidates"]))
        image = pull.fetched(said["name"], Resolved(candidates, said["description"], said["record"]), shown)
    else:
        place = transports.parse(said["name"])
        image = loading.pull(engine, place, trust=pull.trust(), platform=platform, progress=shown.progress)
    shown.end(image.id)
    return image.id
