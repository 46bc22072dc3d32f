"""What a container's monitor acts on and what may change while the container runs: restart policy, health checks, time.

The settings are plain values in the file `settings` of the monitor's directory, and what the monitor is told at its
start; see runtime.monitor.settings.
"""

from __future__ import annotations

import marshal
import posix

from pod.containers import restart

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pod.engine import Engine
    from pod.state import Container

# The newest version of this format that never changes: the monitor may be of another Python.
_FORMAT = 2


def at_start(container: Container) -> dict[str, Any]:
    """Return what the monitor is told at the container's start, also of the socket of our service manager."""
    address, mode = posix.environ.get(b"NOTIFY_SOCKET", b""), container.config["sdnotify"]
    if not address or mode == "ignore":
        return of(container)
    settings = {**of(container), "in_service": True}
    if mode == "container":
        return {**settings, "notify_relay": address}
    return {**settings, "notify": address, "notify_at_start": mode == "conmon"}


def announce(container: Container, monitor_pid: int) -> None:
    """Tell our service manager that from now on the container's monitor is the service's main process.

    To be called before the container starts, in this process: by default only the main process is listened to.
    """
    address = posix.environ.get(b"NOTIFY_SOCKET", b"")
    if address and container.config["sdnotify"] != "ignore":
        from runtime.monitor import readiness

        readiness.send(address, b"MAINPID=%d" % monitor_pid)


def of(container: Container) -> dict[str, Any]:
    """Return what the monitor is told of a container, as plain values."""
    policy = container.config["restart"]
    return {
        "restart": (policy["policy"], policy["maximum"]),
        "timeout": container.config["timeout"],
        "stop": (container.config["stop_signal"], container.config["stop_timeout"]),
    }


def tell(engine: Engine, container: Container) -> None:
    """Have the container's monitor, if there is one, act on what the container's configuration says now."""
    directory = engine.config.monitor_dir(container.id)
    temporary = f"{directory}/settings.{posix.getpid()}"
    try:
        descriptor = posix.open(temporary, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        return  # it has not run since the machine was started
    try:
        posix.write(descriptor, marshal.dumps({**of(container), **_health(engine, container)}, _FORMAT))
    finally:
        posix.close(descriptor)
    posix.rename(temporary, f"{directory}/settings")
    restart.poke(directory)


def health(engine: Engine, container: Container) -> Callable[[int], dict[str, Any] | None] | None:
    """Return what makes the settings of the health checks, once the container has the process of that pid."""
    if not container.config["health"]:
        return None
    from pod.containers.health import probes as health_probes

    return lambda pid: health_probes.settings(engine, container, pid)


def _health(engine: Engine, container: Container) -> dict[str, Any]:
    from pod.containers import status
    from pod.containers.health import probes as health_probes

    pid = status.observe(engine.config, container.id).pid
    return {"health": health_probes.settings(engine, container, pid)} if pid else {}
