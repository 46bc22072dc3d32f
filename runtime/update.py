"""`update`: other limits for a container that is there, in force and in its configuration, or as they were before."""

from __future__ import annotations

import fcntl
import posix

from runtime import kill, launch, schema
from runtime import spec as specification
from runtime import status as states
from runtime.errors import NotRunningError, OCIRuntimeError
from runtime.schema import check_resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Resources = dict[str, Any]

# Numbers for which zero has a meaning of its own; of all others it says, as with runc, that nothing is asked for.
_ZERO_COUNTS = ("burst", "idle", "swappiness")
# Lists whose entries are told apart by these keys.
_KEYS = ("major", "minor", "pageSize", "name")


def update(root: str, container_id: str, changes: Resources) -> None:
    """Change what `changes`, parts of a `linux.resources`, gives; what it does not mention stays as it is."""
    schema.check_resources(changes)
    status = states.load(root, container_id)
    if status.status() not in ("created", "running"):
        raise NotRunningError(f"cannot update container `{container_id}`: container not running")
    cgroup = kill.cgroup_of(status)
    if cgroup is None:
        raise OCIRuntimeError(f"cannot update container `{container_id}`: it has no cgroup")
    check_resources(changes)
    lock = posix.open(status.directory, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = f"{status.directory}/{states.CONFIG}"
        document = specification.load(path)
        linux = document.setdefault("linux", {})
        old = linux.get("resources") or {}
        new, to_apply = plan(old, changes)
        try:
            cgroup.apply(to_apply)
        except OCIRuntimeError as error:
            _restore(cgroup.apply, old, to_apply)
            memory = to_apply.get("memory")
            if isinstance(memory, dict) and "limit" in memory and "swap" not in changes["memory"]:
                error.hint = error.hint or "swap includes memory: set its limit too"
            raise
        linux["resources"] = new
        launch.write(f"{path}.new", document)
        posix.rename(f"{path}.new", path)
    finally:
        posix.close(lock)


def plan(old: Resources, changes: Resources) -> tuple[Resources, Resources]:
    """Return the resources after a change, and what of them is to be put into force (pure)."""
    given = _given(changes)
    if given.get("devices") == old.get("devices"):
        # To set the rules anew would deny the container its devices for a moment.
        given.pop("devices", None)
    memory = given.get("memory")
    if isinstance(memory, dict) and memory.get("limit") == -1:
        # Swap includes memory, so it cannot be limited alone.
        memory.setdefault("swap", -1)
    new = _merge(old, given)
    to_apply = {name: dict(section) if isinstance(section, dict) else section for name, section in given.items()}
    for section, together in (("memory", ("limit", "swap")), ("cpu", ("quota", "period"))):
        wanted = to_apply.get(section)
        # cgroup v2 has a single value for both.
        if isinstance(wanted, dict) and any(key in wanted for key in together):
            wanted.update({key: new[section][key] for key in together if key in new[section]})
    return new, to_apply


def _given(value: Any, name: str = "") -> Any:
    """Drop what says nothing."""
    if isinstance(value, dict):
        inner = {key: _given(item, key) for key, item in value.items()}
        return {
            key: item
            for key, item in inner.items()
            if item not in (None, "", [], {}) and (item != 0 or isinstance(item, bool) or key in _ZERO_COUNTS)
        }
    return value


def _merge(old: Any, new: Any) -> Any:
    """Return `old` with all that `new` says; lists of entries by what names an entry."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{key: _merge(old[key], value) if key in old else value for key, value in new.items()}}
    if isinstance(old, list) and isinstance(new, list):
        names = {_name(entry) for entry in new}
        if "" not in names:
            return [*(entry for entry in old if _name(entry) not in names), *new]
    return new


def _name(entry: Any) -> str:
    """Return what tells a list's entry from the others; empty for one that is no such entry: a rule for devices."""
    if not isinstance(entry, dict) or "allow" in entry:
        return ""
    return " ".join(f"{key}={entry[key]}" for key in _KEYS if key in entry)


def _restore(apply: Any, old: Resources, tried: Resources) -> None:
    """Put the former values of what was tried back into force, where there were any."""
    former = {name: section for name, section in old.items() if name in tried}
    try:
        apply(former)
    except OCIRuntimeError:
        # They held until a moment ago; if the kernel takes them no more, there is nothing to go back to.
        pass
