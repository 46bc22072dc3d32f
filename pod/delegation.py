"""Which part of the cgroup tree belongs to a rootless user. Source: systemd's CGROUP_DELEGATION.md."""

from __future__ import annotations

import posix


def rootless_cgroup() -> str:
    """Return the cgroup v2 path below which this user may make cgroups and move own processes; empty if none."""
    if not posix.access("/sys/fs/cgroup/cgroup.controllers", posix.F_OK):
        return ""  # v1, or hybrid: nothing is ever delegated there
    own = _own_path()
    # Moving a process needs write access to the common ancestor: that must be inside of what is delegated.
    head, separator, _ = own.partition("/user@")
    if not separator:
        return ""
    parent = head + separator + own[len(head) + len(separator) :].split("/", 1)[0]
    return parent if posix.access(f"/sys/fs/cgroup{parent}/cgroup.procs", posix.W_OK) else ""


def _own_path() -> str:
    with open("/proc/self/cgroup", encoding="utf-8") as file:
        for line in file:
            if line.startswith("0::"):
                return line[3:].strip()
    return ""
