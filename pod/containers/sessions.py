"""What is known of exec sessions: <runroot>/exec/<id>/session tells what runs, its monitor's files how it fares.

A session is there as long as its process runs. One that was started in the background stays for a while after its end,
for whoever asks how it ended; it goes with its container at the latest.
"""

from __future__ import annotations

import posix
import time

from pod.containers import status
from runtime import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.config import Config
    from pod.engine import Engine
    from pod.state import Container

KEPT_SECONDS = 300.0
_SESSION = "session"


class ExecSession:
    """A further process of a container, running or ended."""

    __slots__ = ("detached", "exit_code", "id", "pid", "process", "running", "stdin")

    def __init__(self, session_id: str, document: dict[str, Any], pid: int, exit_code: int | None) -> None:
        self.id = session_id
        self.pid = pid  # 0 once it has ended
        self.exit_code = exit_code  # None while it runs, or if nobody saw its end
        self.running = exit_code is None and pid != 0
        self.process: dict[str, Any] = document["process"]  # as in the runtime spec, with `privileged`
        self.stdin: bool = document["stdin"]
        self.detached: bool = document["detached"]


def record(directory: str, container_id: str, process: dict[str, Any], *, stdin: bool, detached: bool) -> None:
    """Write down what a session that is about to begin runs."""
    document = {"container": container_id, "process": process, "stdin": stdin, "detached": detached}
    with open(f"{directory}/{_SESSION}", "w", encoding="utf-8") as file:
        file.write(jsontext.dumps(document))


def sessions(engine: Engine, container: Container) -> list[ExecSession]:
    """Return the exec sessions of a container."""
    found = []
    for name in _names(engine.config):
        directory = f"{engine.config.runroot}/exec/{name}"
        document = _read(directory)
        if document is not None and document["container"] == container.id:
            found.append(ExecSession(name, document, status.living(f"{directory}/pid"), _exit_code(directory)))
    return found


def is_kept(directory: str) -> bool:
    """Tell whether a session that has ended is to stay for now."""
    document = _read(directory)
    if document is None or not document["detached"]:
        return False
    try:
        return time.time() - posix.stat(f"{directory}/exit").st_mtime < KEPT_SECONDS
    except FileNotFoundError:
        return False


def discard(config: Config, container_id: str) -> None:
    """Remove the sessions of a container that is gone, and its processes with it."""
    from storage import gc

    for name in _names(config):
        directory = f"{config.runroot}/exec/{name}"
        document = _read(directory)
        if document is not None and document["container"] == container_id:
            gc.remove_tree(directory)


def _names(config: Config) -> list[str]:
    try:
        return sorted(posix.listdir(f"{config.runroot}/exec"))
    except FileNotFoundError:
        return []


def _read(directory: str) -> dict[str, Any] | None:
    try:
        with open(f"{directory}/{_SESSION}", encoding="utf-8") as file:
            document: dict[str, Any] = jsontext.loads(file.read())
    except (OSError, ValueError):
        return None  # it was removed meanwhile, or begins just now
    return document


def _exit_code(directory: str) -> int | None:
    try:
        with open(f"{directory}/exit", encoding="utf-8") as file:
            return int(jsontext.loads(file.read())["code"])
    except (OSError, ValueError):
        return None
