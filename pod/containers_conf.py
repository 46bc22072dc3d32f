"""containers.conf: the defaults of the system and of the user, later files over earlier ones.

Source: containers.conf(5). Importing tomllib and parsing costs more than anything else that a command does before it
knows what to do, so what came of it is kept in the user's runroot for as long as none of the files changes.
"""

from __future__ import annotations

import posix

from pod import environ
from pod.errors import ConfigError
from runtime import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Tables = tuple[dict[str, Any], dict[str, Any], dict[str, Any]]


def load(*, rootless: bool, home: str, cache: str) -> Tables:
    """Return the tables [containers], [engine] and [network].

    `cache` is a directory of the user's own, which may be missing.
    """
    found = []
    for path in _files(rootless=rootless, home=home):
        try:
            status = posix.stat(path)
        except OSError:
            continue
        found.append([path, status.st_mtime_ns, status.st_size, status.st_ino])
    if not found:
        return {}, {}, {}
    kept = f"{cache}/containers.conf.json"
    try:
        with open(kept, encoding="utf-8") as file:
            document = jsontext.loads(file.read())
        if document["files"] == found:
            return document["containers"], document["engine"], document["network"]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    containers, engine, network = _parse([str(entry[0]) for entry in found])
    _keep(kept, {"files": found, "containers": containers, "engine": engine, "network": network})
    return containers, engine, network


def _keep(path: str, document: dict[str, Any]) -> None:
    temporary = f"{path}.{posix.getpid()}"
    try:
        text = jsontext.dumps(document)
        with open(temporary, "x", encoding="utf-8") as file:
            file.write(text)
        posix.rename(temporary, path)
    except (OSError, TypeError):
        return  # no runroot yet, or a value that JSON does not have: the next command parses again


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


def _parse(paths: list[str]) -> Tables:
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
    return containers, engine, network
