"""Where a container's output is kept, as others are told; apart from how that is chosen, for `inspect` and `logs`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.config import Config
    from pod.engine import Engine
    from pod.state import Container


def path(engine: Engine, container: Container) -> str:
    """Return the file of a container whose driver is k8s-file; PATH.1, PATH.2 … are older ones."""
    return container.config["log"]["path"] or f"{engine.config.container_dir(container.id)}/ctr.log"


def inspected(engine: Engine, container: Container) -> dict[str, Any]:
    """Return what `inspect` tells as HostConfig.LogConfig."""
    document = container.config
    settings = document["log"]
    is_file = document["log_driver"] == "k8s-file"
    options: dict[str, str] = {"max-file": str(settings["max_file"])} if is_file and settings["max_size"] else {}
    options |= {f"label.{key}": value for key, value in settings["labels"].items()}
    return {
        "Type": document["log_driver"],
        "Config": options or None,
        "Path": path(engine, container) if is_file else "",
        "Tag": settings["tag"],
        "Size": human_size(settings["max_size"]) if is_file else "0B",
    }


def human_size(count: int) -> str:
    """Return a size as podman tells it here: 10MB, 1.5kB."""
    value, unit = float(count), 0
    while value >= 1000:
        value, unit = value / 1000, unit + 1
    return f"{value:.4g}{('B', 'kB', 'MB', 'GB', 'TB', 'PB')[unit]}"


def error(config: Config, container_id: str) -> str:
    """Return what `inspect` says of a log that is not complete."""
    lost = missing(config, container_id)
    return f"at least {lost} bytes of output are not in the log: disk full" if lost else ""


def missing(config: Config, container_id: str) -> int:
    """Return how many bytes of output a full disk has kept from the log, as long as the log does not say so itself."""
    try:
        with open(f"{config.monitor_dir(container_id)}/lost", encoding="ascii") as file:
            return int(file.read() or 0)
    except (OSError, ValueError):
        return 0
