"""Where a container's output is kept: what --log-driver, --log-opt and containers.conf come to.

Source: podman-run(1), containers.conf(5). Other than podman's, our logs are rotated unless they are asked not to be.
"""

from __future__ import annotations

import posix

from pod.containers.logs import logged
from pod.errors import PodError
from runtime import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pod.config import Config
    from pod.containers.configuration import ContainerConfig, LogSettings
    from pod.containers.create import CreateOptions
    from pod.engine import Engine
    from pod.state import Container

DRIVERS = ("k8s-file", "journald", "none", "passthrough", "passthrough-tty")
DEFAULT_SIZE = 10_000_000
DEFAULT_FILES = 3
MOST_FILES = 1000
_KNOWN = ("path", "max-size", "max-file", "tag", "label")
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "p": 10**15}


def driver(name: str) -> str:
    """Return the driver that a name stands for, empty for the default. Raises PodError for an unknown one."""
    if name == "json-file":
        return "k8s-file"
    if name and name not in DRIVERS:
        raise PodError(
            "running container create option: invalid log driver: invalid argument",
            hint=f"{name} is none of {', '.join(DRIVERS)}",
        )
    return name


def parse(items: list[str]) -> dict[str, list[str]]:
    """Return the values of each --log-opt. Raises PodError for what is none."""
    found: dict[str, list[str]] = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not equals:
            raise PodError(f'invalid log option "{item}"', hint="write NAME=VALUE, as in max-size=10mb")
        found.setdefault(key, []).append(value)
        if key in _CHECKS:
            _CHECKS[key](value)
    return found


def unknown(options: dict[str, list[str]]) -> list[str]:
    """Return the options that have no effect, as podman lets them pass: docker has more of them."""
    return [key for key in options if key not in _KNOWN]


def settle(config: Config, options: CreateOptions) -> tuple[str, LogSettings]:
    """Return a new container's driver and its settings. Raises PodError for what makes no sense."""
    said = options.log_options
    chosen = options.log_driver or default_driver(config)
    if chosen == "journald":
        from pod import journal

        journal.require()
    tag = said.get("tag", [""])[-1]
    if tag and chosen == "k8s-file":
        raise PodError("the log driver k8s-file doesn't support the option tag", hint="use --log-driver journald")
    path = said.get("path", [""])[-1]
    settings: LogSettings = {
        "path": paths.absolute(path) if path and chosen == "k8s-file" else "",
        "max_size": _size(said["max-size"][-1]) if "max-size" in said else _default_size(config),
        "max_file": _files(said["max-file"][-1]) if "max-file" in said else DEFAULT_FILES,
        "tag": tag or (str(config.containers.get("log_tag") or "") if chosen == "journald" else ""),
        "labels": dict(_label(text) for text in said.get("label", ())),
    }
    if chosen in ("passthrough", "passthrough-tty"):
        _check_passthrough(chosen, tty=options.tty)
        chosen = "passthrough"
        options.stdin = False  # it has our own; nothing is attached
    return chosen, settings


def default_driver(config: Config) -> str:
    """Return the driver of containers that ask for none."""
    name = driver(str(config.containers.get("log_driver") or ""))
    if name == "journald":
        from pod import journal

        return name if journal.is_there() else "k8s-file"  # as containers.conf(5) has it
    return name or "k8s-file"


def _default_size(config: Config) -> int:
    said = config.containers.get("log_size_max")
    if said is None:
        return DEFAULT_SIZE
    return max(said, 0) if isinstance(said, int) else _size(str(said))


def _size(text: str) -> int:
    """Return bytes for "10mb" or "1.5G", in decimal units as podman's log sizes are; 0 is no limit."""
    lower = text.strip().lower()
    if lower in ("0", "-1"):
        return 0
    letters = lower.lstrip("0123456789.")
    number, unit = lower[: len(lower) - len(letters)], letters.strip().removesuffix("b").removesuffix("i")
    try:
        return int(float(number) * _UNITS[unit])
    except (ValueError, KeyError, OverflowError):
        raise PodError(f"invalid size: '{text}'", hint="write a number and one of b, k, m, g: 10mb") from None


def _files(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_FILES:
        raise PodError(f"invalid max-file: '{text}'", hint=f"write how many files are kept, 1 to {MOST_FILES}")
    return int(text)


def _label(text: str) -> tuple[str, str]:
    """Return a field for the journal, whose names are upper-case letters, digits and underscores (conmon's rule)."""
    key, equals, value = text.partition("=")
    good = key.isascii() and key.replace("_", "").isalnum() and key == key.upper() and key[0] not in "_0123456789"
    if not equals or not key or not good:
        raise PodError(
            f'invalid log label "{text}"',
            hint="write label=NAME=VALUE; NAME has upper-case letters, digits, underscores",
        )
    return key, value


# What can be said before there is an image and a driver.
_CHECKS: dict[str, Callable[[str], object]] = {"max-size": _size, "max-file": _files, "label": _label}


def _check_passthrough(name: str, *, tty: bool) -> None:
    if tty:
        raise PodError(f"the log driver {name} cannot be used together with --tty")
    if name == "passthrough" and any(_is_terminal(fd) for fd in range(3)):
        raise PodError(
            "the '--log-driver passthrough' option cannot be used on a TTY. If you really want it, use "
            "'--log-driver passthrough-tty'",
            hint="a container that has your terminal could type commands into it",
        )


def _is_terminal(fd: int) -> bool:
    try:
        return posix.isatty(fd)
    except OSError:
        return False


def for_monitor(engine: Engine, container: Container) -> dict[str, Any]:
    """Return what the monitor is told, by the names that MonitorConfig has for it."""
    document: ContainerConfig = container.config  # type: ignore[assignment]
    settings = document["log"]
    told: dict[str, Any] = {"log_driver": document["log_driver"]}
    if document["log_driver"] == "journald":
        from pod import journal

        tag = _rendered(engine, container, settings["tag"])
        told["journal"] = journal.socket_path()
        told["log_fields"] = journal.log_fields(container, tag=tag, labels=settings["labels"])
    elif document["log_driver"] == "k8s-file":
        told |= {"log_limit": settings["max_size"], "log_files": settings["max_file"]}
        told["log_path"] = logged.path(engine, container)
    return told


def _rendered(engine: Engine, container: Container, tag: str) -> str:
    """Return a tag in which `{{.Name}}` and the like stand for what `inspect` tells by these names."""
    if "{{" not in tag:
        return tag
    from pod.containers.inspect.document import inspect_container
    from pod.template.rendering import Template
    from pod.template.values import record

    return Template(tag, name="tag").render(record(inspect_container(engine, container)))
