"""Which drop-ins a file has: NAME.d/*.conf, those of its template, of the beginnings of its name, of all of its kind.

Of several files of one name, that in the most special directory counts; all are read in the order of their names.

Source: systemd.unit(5), "foo.service.d".
"""

from __future__ import annotations


def directories(name: str) -> list[str]:
    """Return the names of the directories of drop-ins of a file, the most special first."""
    base, _, suffix = name.rpartition(".")
    prefix, at, instance = base.partition("@")
    found = [f"{name}.d"]
    if instance:
        found.append(f"{prefix}@.{suffix}.d")
    parts = prefix.split("-")
    for count in range(len(parts) - 1, 0, -1):
        beginning = "-".join(parts[:count]) + "-"
        if at:
            found.append(f"{beginning}@.{suffix}.d")
        found.append(f"{beginning}.{suffix}.d")
    return [*found, f"{suffix}.d"]


def choose(name: str, files: dict[str, list[list[str]]]) -> list[str]:
    """Return the paths of the drop-ins of a file in the order in which they are read.

    `files` has for each name of a directory the sorted paths of the `.conf` files in each directory of that name, in
    the order of the search path.
    """
    chosen: dict[str, str] = {}
    for directory in directories(name):
        for paths in files.get(directory, ()):
            for path in paths:
                chosen.setdefault(path.rpartition("/")[2], path)
    return [chosen[one] for one in sorted(chosen)]
