"""Where the user's registries.conf and short-name-aliases.conf are.

Source: containers-registries.conf(5), containers-registries.conf.d(5). Not on the run path of an image that is in the
store: only what asks a registry reads these files.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pod.settings import current
from storage.registry import configuration_files

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pod.config import Config
    from storage.registry.configuration import Configuration

SYSTEM = "/etc/containers"
VENDOR = "/usr/share/containers"


def load(config: Config) -> Configuration:
    """Read the configuration of this user: the main file, then the system's drop-ins, then the user's own.

    Raises BadConfigurationError.
    """
    named = current.registries_conf or os.environ.get("CONTAINERS_REGISTRIES_CONF")
    own = _own_directory(config)
    main = named or _first(f"{directory}/registries.conf" for directory in (own, SYSTEM, VENDOR))
    directories = [f"{directory}/registries.conf.d" for directory in (SYSTEM, own)]
    return configuration_files.load(
        main or f"{SYSTEM}/registries.conf",
        [path for directory in directories for path in _files(directory)],
        places=f"{main or f'{SYSTEM}/registries.conf'} or {directories[-1]}",
        must_exist=bool(named),
    )


def aliases_file(config: Config) -> str:
    """Return the file that the machine writes aliases to."""
    own = os.environ.get("XDG_CACHE_HOME") or f"{config.home}/.cache"
    return f"{own if config.rootless else '/var/cache'}/containers/short-name-aliases.conf"


def _own_directory(config: Config) -> str:
    settings = os.environ.get("XDG_CONFIG_HOME") or f"{config.home}/.config"
    return f"{settings}/containers"


def _first(paths: Iterable[str]) -> str:
    return next((path for path in paths if os.path.exists(path)), "")


def _files(directory: str) -> list[str]:
    try:
        names = sorted(name for name in os.listdir(directory) if name.endswith(".conf"))
    except OSError:
        return []
    return [path for path in (f"{directory}/{name}" for name in names) if os.path.isfile(path)]
