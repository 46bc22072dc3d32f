"""Telling of what happens to containers, images and volumes: what `pod events` shows, with podman's words and fields.

`<graphroot>/events/current` is written by every command and monitor (see runtime.monitor.eventlog); `current.1` is
what it was before it grew over its limit. Source: podman-events(1), libpod/events of podman 5.
"""

from __future__ import annotations

import posix

from pod.errors import PodError
from runtime import jsontext
from runtime.monitor.eventlog import EventLog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pod.config import Config
    from pod.pods.rows import Pod
    from pod.state import Container

# Two files of this size are kept: some ten thousand events.
DEFAULT_LIMIT = 2 << 20
BACKENDS = ("file", "journald", "none")


def record(
    config: Config,
    type: str,
    status: str,
    *,
    id: str = "",
    name: str = "",
    image: str = "",
    attributes: Mapping[str, str] | None = None,
    pod: str = "",
    fields: dict[str, str | int] | None = None,
) -> None:
    """Tell that something has happened to an object; never raises, costs an open and a write.

    `attributes` are the object's labels and the like; `fields` are further ones of podman's events: ContainerExitCode,
    HealthStatus, HealthLog, HealthFailingStreak, Error, PodID, Network.
    """
    try:
        writer(config, type, id=id, name=name, image=image, attributes=attributes, pod=pod).write(status, fields)
    except Exception:
        return  # what was done is done, told or not


def of_container(config: Config, container: Container, status: str, fields: dict[str, str | int] | None = None) -> None:
    """Tell of a container."""
    record(config, "container", status, **identity(container), fields=fields)


def of_pod(config: Config, pod: Pod, status: str) -> None:
    """Tell of a pod."""
    record(config, "pod", status, id=pod.id, name=pod.name, attributes=pod.config["labels"])


def rename(config: Config, container: Container) -> None:
    """Have the container's monitor, if it has one, tell of it by its new name; never raises."""
    directory = config.monitor_dir(container.id)
    temporary = f"{directory}/name.{posix.getpid()}"
    try:
        descriptor = posix.open(temporary, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o600)
        try:
            posix.write(descriptor, container.name.encode())
        finally:
            posix.close(descriptor)
        posix.rename(temporary, f"{directory}/name")
    except OSError:
        return  # it has not run since the machine was started


def identity(container: Container) -> dict[str, Any]:
    """Return by what a container is known in its events."""
    document = container.config
    return {
        "id": container.id,
        "name": container.name,
        "image": document["image_name"],
        "attributes": document["labels"],
        "pod": document["pod"]["id"],
    }


def writer(
    config: Config,
    type: str,
    *,
    id: str = "",
    name: str = "",
    image: str = "",
    attributes: Mapping[str, str] | None = None,
    pod: str = "",
    words: tuple[str, ...] = ("init", "start", "died", "cleanup"),
    directory: str = "",
) -> EventLog:
    """Return what writes the events of one object, also from its monitor (see EventLog)."""
    fixed: dict[str, Any] = {"Type": type}
    if id:
        fixed["ID"] = id
    if image:
        fixed["Image"] = image
    if pod:
        fixed["PodID"] = pod
    if attributes:
        fixed["Attributes"] = dict(attributes)
    chosen = backend(config)
    if chosen == "journald":
        from pod import journal

        text = journal.event_fields(config, fixed)
        return EventLog("", 0, text, name, words=words, directory=directory, journal=journal.socket_path())
    location = path(config) if chosen == "file" else ""
    return EventLog(location, limit(config), jsontext.dumps(fixed)[1:-1], name, words=words, directory=directory)


def backend(config: Config) -> str:
    """Return where events go: file, journald or none. Without a journal they go to the file, whatever is configured."""
    from pod.settings import current

    chosen = current.events_backend or config.engine.get("events_logger") or "file"
    if chosen == "journald" and not current.events_backend:
        from pod import journal

        return chosen if journal.is_there() else "file"
    return chosen if chosen in BACKENDS else "file"


def check(config: Config) -> None:
    """Raise PodError if what the configuration asks for cannot be had."""
    from pod.settings import current

    asked = current.events_backend or config.engine.get("events_logger") or "file"
    if asked not in BACKENDS:
        raise PodError(
            f'"{asked}" is not a valid events backend: invalid argument', hint="choose file, journald or none"
        )
    if backend(config) == "journald":
        from pod import journal

        journal.require()
    if asked == "none":
        raise PodError(
            'cannot read events with the "none" backend',
            hint="set events_logger in containers.conf to file",
        )


def path(config: Config) -> str:
    """Return the file that events are appended to; what was in it before lies in PATH.1."""
    return config.engine.get("events_logfile_path") or f"{config.graphroot}/events/current"


def limit(config: Config) -> int:
    """Return the size in bytes at which the file is rotated (containers.conf: events_logfile_max_size)."""
    said = config.engine.get("events_logfile_max_size") or 0
    if isinstance(said, str):
        from pod.values import parse_size

        try:
            said = parse_size(said)
        except PodError:
            said = 0
    return said if isinstance(said, int) and said > 0 else DEFAULT_LIMIT
