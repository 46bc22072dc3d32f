"""systemd's journal as a place for output and events: whether it is there, and what entries say.

Source: podman's fields, as libpod/events/journal_linux.go and conmon's src/ctr_logging.c write them.
"""

from __future__ import annotations

import os

from pod.errors import PodError
from runtime import jsontext
from runtime.monitor.journald import SOCKET, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.config import Config
    from pod.state import Container

_SHORT = 12


def socket_path() -> str:
    """Return journald's socket; POD_JOURNAL_SOCKET names another one."""
    return os.environ.get("POD_JOURNAL_SOCKET") or SOCKET


def is_there() -> bool:
    """Tell whether something can be sent to the journal."""
    return os.path.exists(socket_path())


def require() -> None:
    """Raise PodError if there is no journal."""
    if not is_there():
        raise PodError(
            f"no support for journald logging: {socket_path()} does not exist: systemd-journald is not running here",
            hint="use the log driver k8s-file and the events backend file, the defaults",
        )


def event_fields(config: Config, fixed: dict[str, Any]) -> bytes:
    """Return what all entries on the events of one object say."""
    entry = field("SYSLOG_IDENTIFIER", "podman") + field("PODMAN_TYPE", fixed["Type"])
    if fixed.get("ID"):
        entry += field("PODMAN_ID", fixed["ID"])
    if fixed.get("Image"):
        entry += field("PODMAN_IMAGE", fixed["Image"])
    if fixed.get("Attributes"):
        entry += field("PODMAN_LABELS", jsontext.dumps(fixed["Attributes"]))
    return entry + field("POD_ROOT", config.graphroot)  # tells engines with other stores apart


def log_fields(container: Container, *, tag: str, labels: dict[str, str]) -> bytes:
    """Return what every entry of a container's output says."""
    entry = field("CONTAINER_ID_FULL", container.id) + field("CONTAINER_ID", container.id[:_SHORT])
    entry += field("CONTAINER_NAME", container.name)
    if tag:
        entry += field("CONTAINER_TAG", tag)
    if container.config["image_name"]:
        entry += field("IMAGE_NAME", container.config["image_name"])
    for key, value in labels.items():
        entry += field(key, value)
    return entry + field("SYSLOG_IDENTIFIER", tag or container.name)
