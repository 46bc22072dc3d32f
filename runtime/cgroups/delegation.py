"""Giving a cgroup v2 to the container that runs in it: whose it becomes, and a place in it for the container to manage.

Source: runtime-spec, config-linux.md, "Cgroup ownership"; crun(1), `run.oci.delegate-cgroup`.
"""

from __future__ import annotations

from runtime.cgroups import plan
from runtime.cgroups.errors import CgroupUnavailableError
from runtime.cgroups.v2 import CgroupV2
from runtime.errors import SpecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.cgroups import Cgroup

ANNOTATION = "run.oci.delegate-cgroup"


def delegate(cgroup: Cgroup, path: str, spec: dict[str, Any], pid: int) -> None:
    """Give a cgroup to the user of its container, whose first process has its cgroup namespace already.

    With crun's annotation a new one below it is given instead, in which no limits are, and the process is moved there.
    """
    name = (spec.get("annotations") or {}).get(ANNOTATION)
    if name:
        _move_below(path, name, pid)
        cgroup = cgroup.below({"": name})
    uid = owner(spec)
    if uid >= 0:
        try:
            cgroup.delegate(uid, -1)
        except PermissionError:
            # A user's runtime cannot give files away; the specification only says that we should.
            pass


def owner(spec: dict[str, Any]) -> int:
    """Return the host's ID of the user to whom the cgroup is to belong, -1 if it is nobody's (pure).

    That is the one as whom the process runs, if it may write to what it sees.
    """
    mounts = spec.get("mounts") or ()
    if not any(mount.get("type") == "cgroup" and "ro" not in (mount.get("options") or ()) for mount in mounts):
        return -1
    uid: int = ((spec.get("process") or {}).get("user") or {}).get("uid") or 0
    mappings = (spec.get("linux") or {}).get("uidMappings")
    if not mappings:
        return uid
    for mapping in mappings:
        inside, outside, count = mapping["containerID"], mapping["hostID"], mapping["size"]
        if inside <= uid < inside + count:
            return int(outside + uid - inside)
    return -1


def _move_below(path: str, name: str, pid: int) -> None:
    if "/" in name or name in (".", ".."):
        raise SpecError(f"annotation {ANNOTATION}: {name!r} is not the name of a directory")
    inner = plan(f"{path}/{name}")
    if not isinstance(inner, CgroupV2):
        raise CgroupUnavailableError(f"annotation {ANNOTATION}: cgroup v1 cannot be delegated safely")
    inner.create()
    inner.enter(pid)
    # Only now is nobody in the cgroup above, so that controllers can be switched on below it.
    inner.create(entered=True)
