"""Where a user's units are: those that the generator reads, those that are his own, and where new ones are put."""

from __future__ import annotations

import os

from pod import environ
from pod.quadlet import directories

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.config import Config


class Places:
    """Directories of units: `search` is the generator's path, `install` where `quadlet install` puts them."""

    __slots__ = ("install", "own", "search", "user")

    def __init__(self, search: list[str], install: str, own: list[str], *, user: bool) -> None:
        self.search = search
        self.install = install
        self.own = own
        self.user = user


def of(config: Config) -> Places:
    """Return the places of the invoking user; where $QUADLET_UNIT_DIRS is set, new units go to its first directory."""
    environment = environ.variables()
    search = directories.search_path(user=config.rootless, uid=config.uid, home=config.home, environment=environment)
    given = [place for place in environment.get("QUADLET_UNIT_DIRS", "").split(":") if place.startswith("/")]
    if given:
        own = given
    elif config.rootless:
        runtime, home = (
            environment.get("XDG_RUNTIME_DIR"),
            environment.get("XDG_CONFIG_HOME") or f"{config.home}/.config",
        )
        own = [f"{home}/containers/systemd", *([f"{runtime}/containers/systemd"] if runtime else [])]
    else:
        own = [directories.ADMIN, directories.TEMPORARY]
    own = [os.path.realpath(place) for place in own]
    return Places(search, own[0], own, user=config.rootless)
