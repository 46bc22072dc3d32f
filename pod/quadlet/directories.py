"""Where files are looked for: the places of the system or of a user, and the directories below each.

Source: podman-systemd.unit(5), "Podman rootful unit search path" and "Podman rootless unit search path".
"""

from __future__ import annotations

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ADMIN = "/etc/containers/systemd"
DISTRIBUTION = "/usr/share/containers/systemd"
TEMPORARY = "/run/containers/systemd"
_VARIABLE = "QUADLET_UNIT_DIRS"
_DEEPEST = 32


def search_path(*, user: bool, uid: int, home: str, environment: Mapping[str, str]) -> list[str]:
    """Return the directories, the first to count coming first; what is missing is in it, too."""
    found: dict[str, str] = {}
    given = environment.get(_VARIABLE, "")
    if given:
        for place in given.split(":"):
            if place.startswith("/"):
                _descend(found, place)
        return list(found.values())
    if not user:
        for place in (TEMPORARY, ADMIN, DISTRIBUTION):
            _descend(found, place, lambda path: not _is_users(path))
        return list(found.values())
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    if runtime:
        _descend(found, f"{runtime}/containers/systemd")
    _descend(found, f"{environment.get('XDG_CONFIG_HOME') or home + '/.config'}/containers/systemd")
    for place in (f"{ADMIN}/users", f"{DISTRIBUTION}/users"):
        _descend(found, f"{place}/{uid}")
        _descend(found, place, lambda path: not _is_of_one_user(path))
    return list(found.values())


def below(path: str) -> list[str]:
    """Return a directory and those below it in which files are looked for."""
    found: dict[str, str] = {}
    _descend(found, path)
    return list(found.values())


def _is_users(path: str) -> bool:
    return any(path == f"{place}/users" or path.startswith(f"{place}/users/") for place in (ADMIN, DISTRIBUTION))


def _is_of_one_user(path: str) -> bool:
    for place in (ADMIN, DISTRIBUTION):
        if path.startswith(f"{place}/users/"):
            return path[len(place) + len("/users/") :].partition("/")[0].isdecimal()
    return False


def _descend(
    found: dict[str, str], path: str, wanted: Callable[[str], bool] = lambda path: True, depth: int = 0
) -> None:
    """Add a directory and those below it, but drop-ins; links are followed, and each directory is entered once.

    The keys of `found` tell directories apart, the values are their paths.
    """
    real, identity = _resolve(path)
    if identity in found or depth > _DEEPEST or not wanted(path) or not wanted(real):
        return
    found[identity] = real
    for name in _subdirectories(real):
        _descend(found, f"{real}/{name}", wanted, depth + 1)


def _subdirectories(path: str) -> list[str]:
    try:
        with posix.scandir(path) as entries:
            return sorted(entry.name for entry in entries if not entry.name.endswith(".d") and entry.is_dir())
    except OSError:
        return []


def _resolve(path: str) -> tuple[str, str]:
    """Return the path of a directory without links, and what tells it apart; the path itself if it leads nowhere."""
    try:
        handle = posix.open(path, posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC)
    except OSError:
        return path, path
    try:
        status = posix.fstat(handle)
        identity = f"{status.st_dev} {status.st_ino}"
        try:
            return posix.readlink(f"/proc/self/fd/{handle}"), identity
        except OSError:  # no /proc
            return path, identity
    finally:
        posix.close(handle)
