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

# Tables whose keys are names that the user gives.
_VERBATIM = ("platform_to_oci_runtime", "runtimes", "service_destinations", "volume_plugins")


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


def _part(table: dict[str, Any], name: str, path: str) -> dict[str, Any]:
    part = table.get(name, {})
    if not isinstance(part, dict):
        raise ConfigError(f"reading {path}: {name} is not a table", hint="see containers.conf(5) for its format")
    return part


def _parse(paths: list[str]) -> dict[str, Any]:
    from storage import toml

    containers: dict[str, Any] = {}
    engine: dict[str, Any] = {}
    network: dict[str, Any] = {}
    for path in paths:
        try:
            document = toml.load(path, verbatim=_VERBATIM)
        except toml.NotTomlError as error:
            raise ConfigError(f"reading {path}: {error}", hint="see containers.conf(5) for its format") from error
        except OSError:
            continue
        containers.update(_part(document, "containers", path))
        network.update(_part(document, "network", path))
        said = _part(document, "engine", path)
        runtimes = engine.get("runtimes", {}) | _part(said, "runtimes", path)
        engine.update(said)
        if runtimes:
            engine["runtimes"] = runtimes  # a table of its own: later files add to it
    return {"containers": containers, "engine": engine, "network": network}
