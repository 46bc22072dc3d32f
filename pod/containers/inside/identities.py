"""How a container's process looks from inside, as the command line or containers.conf says it: checks of the values.

Sources: podman-run(1), containers.conf(5).
"""

from __future__ import annotations

import posix

from pod.errors import PodError
from runtime import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ZONES = "/usr/share/zoneinfo"
_INITS = ("/usr/libexec/podman/catatonit", "/usr/bin/catatonit", "/usr/bin/tini-static")


def from_settings(settings: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    """Return what containers.conf says of what the command line does not."""
    found: dict[str, Any] = {}
    if "umask" not in said and settings.get("umask"):
        found["umask"] = umask(str(settings["umask"]))
    if "timezone" not in said and settings.get("tz"):
        found["timezone"] = timezone(str(settings["tz"]))
    if "hosts_file" not in said and settings.get("base_hosts_file"):
        found["hosts_file"] = hosts_file(str(settings["base_hosts_file"]))
    if "hosts" not in said and settings.get("no_hosts") and not said.get("add_hosts"):
        found["hosts"] = False
    return found


def umask(text: str) -> str:
    """Return a umask of up to four octal digits. Raises PodError for what is none."""
    if not 1 <= len(text) <= 4 or not all(letter in "01234567" for letter in text):
        raise PodError(f"invalid umask string {text}: invalid argument", hint="write octal digits: 0022")
    return text.rjust(4, "0")


def timezone(text: str) -> str:
    """Return the name of a time zone that the host knows, or "local"; empty for a host that has no local one."""
    if text == "local":
        return text if paths.is_file("/etc/localtime") else ""
    if text:
        zone_file(text)
    return text


def zone_file(name: str) -> str:
    """Return the host's file of a time zone. Raises PodError if there is none; never leaves the host's directory."""
    if name == "local":
        return "/etc/localtime"
    path = paths.absolute(f"{ZONES}/{name}")
    if not path.startswith(f"{ZONES}/") or not paths.is_file(path):
        raise PodError(
            f"running container create option: finding timezone {name}: stat {path}: no such file or directory",
            hint=f"see {ZONES} for the names" if paths.is_directory(ZONES) else "as root: apt install tzdata",
        )
    return path


def hosts_file(text: str) -> str:
    """Return what a container's /etc/hosts begins with: "none", "image", or a file of the host.

    Raises PodError for what is none.
    """
    if text in ("", "none", "image"):
        return text
    if not text.startswith("/") or not paths.is_file(text):
        raise PodError(f"hosts file path must be absolute and of a file: {text}", hint="or write none or image")
    return text


def personality(text: str) -> str:
    """Return one of the execution domains that the runtime specification knows. Raises PodError for another."""
    upper = text.upper().removeprefix("PER_")
    if upper not in ("LINUX", "LINUX32"):
        raise PodError(f'unknown persona specified: "{text}"', hint="known are LINUX and LINUX32")
    return upper


def add_hosts(items: list[str]) -> list[str]:
    """Return "NAME[;NAME…]:IP" entries once each is found to be one. Raises PodError for one that is none."""
    for item in items:
        names, colon, address = item.partition(":")
        if not colon or not all(names.split(";")) or not address or any(one.isspace() for one in names):
            raise PodError(f'bad format for add-host: "{item}"', hint="write NAME:ADDRESS, or NAME;NAME:ADDRESS")
        if address != "host-gateway" and not is_address(address.removeprefix("[").removesuffix("]")):
            raise PodError(f'invalid IP address in add-host: "{address}"')
    return items


def is_address(text: str) -> bool:
    """Tell whether a text is an IP address."""
    from _socket import AF_INET, AF_INET6, inet_pton

    for family in (AF_INET, AF_INET6):
        try:
            inet_pton(family, text)
        except (OSError, ValueError):
            continue
        return True
    return False


def entry(text: str, flag: str) -> str:
    """Return a template for a line of passwd(5) or group(5): one line of it, so that it cannot smuggle in others.

    Raises PodError for more.
    """
    if any(letter in text for letter in "\n\r\0"):
        raise PodError(
            f"invalid {flag}: it must be one line", hint="one entry, with $USERNAME, $UID, $GID, $NAME, $HOME"
        )
    return text


def find_init(path: str) -> str:
    """Return the program for --init: the one named, or the first of the usual ones that is there.

    Raises PodError if there is none.
    """
    candidates = [path] if path else _INITS
    for candidate in candidates:
        if posix.access(candidate, posix.X_OK):
            return paths.absolute(candidate)
    raise PodError(
        f"container-init binary not found on the host: stat {candidates[0]}: no such file or directory",
        hint="as root: apt install catatonit",
    )
