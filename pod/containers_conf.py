"""containers.conf: the defaults of the system and of the user, later files over earlier ones.

Source: containers.conf(5). The files are parsed only when one has changed (parsed_files.py).
"""

from __future__ import annotations

import posix

from pod import environ, parsed_files
from pod.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Tables = tuple[dict[str, Any], dict[str, Any], dict[str, Any]]


def load(*, rootless: bool, home: str, cache: str) -> Tables:
    """Return the tables [containers], [engine] and [network].

    `cache` is a directory of the user's own, which may be missing.
    """
    found = parsed_files.seen(_files(rootless=rootless, home=home))
    if not found:
        return {}, {}, {}
    return parsed_files.parsed(f"{cache}/containers.conf.json", found, _parse, _tables)


def _tables(said: dict[str, Any]) -> Tables:
    return said["containers"], said["engine"], said["network"]


def _files(*, rootless: bool, home: str) -> list[str]:
    extra = environ.value("CONTAINERS_CONF_OVERRIDE")
    override = environ.value("CONTAINERS_CONF")
    if override:
        return [override, extra] if extra else [override]
    files = ["/usr/share/containers/containers.conf", "/etc/containers/containers.conf"]
    directories = ["/etc/containers/containers.conf.d"]
    if rootless:
        user = environ.value("XDG_CONFIG_HOME") or f"{home}/.config"
        files.append(f"{user}/containers/containers.conf")
        directories.append(f"{user}/containers/containers.conf.d")
    for directory in directories:
        try:
            files += sorted(f"{directory}/{name}" for name in posix.listdir(directory) if name.endswith(".conf"))
        except OSError:
            continue
    return [*files, extra] if extra else files


def _parse(paths: list[str]) -> dict[str, Any]:
    import tomllib

    containers: dict[str, Any] = {}
    engine: dict[str, Any] = {}
    network: dict[str, Any] = {}
    for path in paths:
        try:
            with open(path, "rb") as file:
                document = tomllib.load(file)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"reading {path}: {error}", hint="see containers.conf(5) for its format") from error
        except OSError:
            continue
        containers.update(document.get("containers", {}))
        network.update(document.get("network", {}))
        runtimes = engine.get("runtimes", {}) | document.get("engine", {}).get("runtimes", {})
        engine.update(document.get("engine", {}))
        if runtimes:
            engine["runtimes"] = runtimes  # a table of its own: later files add to it
    return {"containers": containers, "engine": engine, "network": network}
