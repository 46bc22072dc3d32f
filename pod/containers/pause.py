"""Stopping all processes of a container where they are, and letting them go on: by the freezer of its cgroup.

While a container may be paused, `<runroot>/containers/<id>/paused` names the kernel's file that tells whether it is,
and what that holds then: `PATH VALUE`. It is written before the kernel is asked, so a crash makes no state that is not
true, and who looks at a container that nobody paused opens no more than a file that is not there.
"""

from __future__ import annotations

import posix

from pod import events
from pod.containers import runtimes, status
from pod.errors import PodError, StateError
from pod.lock import ContainerLock
from runtime import paths, process
from runtime.errors import OCIRuntimeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.config import Config
    from pod.engine import Engine
    from pod.state import Container

_IMPROPER = "container state improper"


def pause(engine: Engine, container: Container) -> None:
    """Stop all processes of a running container; return when the kernel has done it. Raises StateError."""
    check_supported(engine.config, "pause")
    with ContainerLock(engine.config, container.id):
        seen = status.observe(engine.config, container.id)
        if seen.state == "paused":
            raise StateError(f'"{container.id}" is already paused: {_IMPROPER}')
        if seen.state != "running" or not seen.pid:
            raise StateError(f'"{seen.state}" is not running, can\'t pause: {_IMPROPER}')
        if not runtimes.has_started(engine.config, container):
            # It is about to become its program, which whoever starts it waits for.
            raise StateError(f'"initialized" is not running, can\'t pause: {_IMPROPER}')
        try:
            _freeze(engine, container, seen.pid)
        except OCIRuntimeError:
            if not _ends(engine.config, container, seen.pid):
                raise
        if _ends(engine.config, container, seen.pid):
            # It was killed meanwhile. With cgroup v1 it would stand still, with that signal, and never end.
            thaw(engine.config, container.id)
            raise StateError(f"container {container.id} has just ended, can't pause: {_IMPROPER}")
    events.of_container(engine.config, container, "pause")


def _ends(config: Config, container: Container, pid: int) -> bool:
    if process.is_dying(pid):
        return True
    return not (container.config["runtime"] or paths.is_directory(f"{config.runtime_root}/{container.id}"))


def _freeze(engine: Engine, container: Container, pid: int) -> None:
    path, value = runtimes.freezer(engine.config, container.id, pid)
    if not path:
        raise PodError(
            f"cannot pause container {container.id}: it has no cgroup of its own, by which to stop processes",
            hint="create it without --cgroups=disabled",
        )
    from pod.containers.inside.files import write_file

    write_file(status.paused_path(engine.config, container.id), f"{path} {value}\n")
    runtimes.pause(engine.config, container)


def unpause(engine: Engine, container: Container) -> None:
    """Let a paused container go on. Raises StateError."""
    check_supported(engine.config, "unpause")
    with ContainerLock(engine.config, container.id):
        if status.observe(engine.config, container.id).state != "paused":
            raise StateError(f'"{container.id}" is not paused, can\'t unpause: {_IMPROPER}')
        runtimes.resume(engine.config, container)
        _forget(engine.config, container.id)
    events.of_container(engine.config, container, "unpause")


def thaw(config: Config, container_id: str) -> None:
    """Let a container that is killed go on, for a frozen process of cgroup v1 does not even die. Never raises.

    To be called after the signal was sent, so that nothing of the container runs before it takes that. What says that
    it may be paused stays for the monitor to remove: another command may be about to freeze it.
    """
    known = status.read_freezer(config, container_id)
    if known is None:
        return
    path, frozen = known
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write("THAWED" if frozen == "FROZEN" else "0")
    except OSError:
        pass  # the cgroup is gone with its last process


def check_supported(config: Config, verb: str) -> None:
    """Raise PodError where no container can be paused: an ordinary user has no freezer in cgroup v1."""
    if config.rootless and not paths.exists("/sys/fs/cgroup/cgroup.controllers"):
        raise PodError(
            f"{verb} is not supported for cgroupv1 rootless containers",
            hint="it takes cgroup v2 and a systemd user session, or root",
        )


def _forget(config: Config, container_id: str) -> None:
    try:
        posix.unlink(status.paused_path(config, container_id))
    except FileNotFoundError:
        pass
