"""What one check found."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass

OK, WARN, FAIL = "ok", "warn", "fail"
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# How each distribution's package manager is asked, and what it calls what we need where it differs.
MANAGERS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("apt-get", "apt install", {}),
    ("dnf", "dnf install", {"uidmap": "shadow-utils"}),
    ("zypper", "zypper install", {"uidmap": "shadow"}),
    ("pacman", "pacman -S", {"uidmap": "shadow"}),
    ("apk", "apk add", {"uidmap": "shadow-uidmap"}),
)


@dataclass(frozen=True)
class Finding:
    """A line of the report: `fix` is the command that mends it, empty if nothing is to be done."""

    name: str
    status: str
    message: str
    fix: str = ""


@dataclass(frozen=True)
class Patient:
    """Who and what is looked at."""

    uid: int  # whose containers; not 0 in a user namespace either
    user: str
    rootless: bool
    graphroot: str
    runroot: str


def find_program(name: str) -> str | None:
    """Return the path of a program, looked for where an ordinary user's PATH may not lead."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}")


def install(package: str) -> str:
    """Return the line that installs a package (by Debian's name) on this system."""
    for program, line, names in MANAGERS:
        if find_program(program):
            return f"sudo {line} {names.get(package, package)}"
    return f"install the package {package}"


def read(path: str) -> str:
    """Return a small file's text without blanks around it; empty if it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""
