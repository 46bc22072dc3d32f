"""Where a container's control group is, or is to be."""

from __future__ import annotations

import posix

from pod import systemd
from pod.errors import PodError
from runtime import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.config import Config
    from pod.containers.configuration import ContainerConfig
    from pod.engine import Engine

_UNIFIED = "/sys/fs/cgroup"
# With --cgroups=split: where the caller's cgroup keeps its own processes, and where it has the container.
_SUPERVISOR, _PAYLOAD = "supervisor", "pod-payload-"


def cgroups_path(engine: Engine, container_id: str, config: ContainerConfig) -> str:
    """Return `linux.cgroupsPath`, empty for none. Raises PodError for limits that cannot be had."""
    if config["cgroups"] == "disabled":
        return ""
    if config["cgroups"] == "split":
        # Relative to the caller's own cgroup in each hierarchy of v1; v2 has but one.
        own = own_cgroup()
        if not own and engine.config.rootless:
            raise PodError(
                f"cannot split the cgroup of this process: it is not delegated to user {engine.config.uid}",
                hint="--cgroups=split needs cgroup v2 and a unit of systemd with Delegate=yes",
            )
        return f"{own.rstrip('/')}/{_PAYLOAD}{container_id}" if own else f"{_PAYLOAD}{container_id}"
    parent, pod = config["cgroup_parent"], config["pod"]["cgroup"]
    if _is_slice(engine.config, parent):
        return systemd.cgroups_path(engine.config, container_id, parent.rpartition("/")[2], pod)
    if not engine.config.rootless:
        return f"{_absolute(parent)}{_absolute(pod)}/pod-{container_id}"
    from pod.delegation import rootless_cgroup

    delegated = rootless_cgroup()
    if delegated:
        return f"{_absolute(parent) or delegated}{_absolute(pod)}/pod-{container_id}"
    _refuse(engine.config, config)
    return ""


def pod_place(config: Config, pod: str, parent: str) -> str:
    """Return where the control group of this name is, a pod's: a path, or with systemd the name of a slice.

    Empty for none. Raises PodError for a parent that makes no sense.
    """
    if _is_slice(config, parent):
        return systemd.pod_slice(config, pod, parent.rpartition("/")[2])
    above = _absolute(parent)
    if config.rootless and not above:
        from pod.delegation import rootless_cgroup

        above = rootless_cgroup()
        if not above:
            return ""
    return f"{above}/{pod}"


def _is_slice(config: Config, parent: str) -> bool:
    """Tell whether systemd makes control groups, of which the parent is then a slice; PodError if it is not."""
    is_slice = parent.endswith(".slice")
    if systemd.bus(config):
        if parent and not (is_slice and len(parent) > len(".slice")):
            raise PodError(
                "did not receive systemd slice as cgroup parent when using systemd to manage cgroups: invalid argument",
                hint="name a slice: --cgroup-parent my.slice",
            )
        return True
    if is_slice:
        raise PodError("systemd slice received as cgroup parent when using cgroupfs: invalid argument")
    if ".." in parent.split("/"):
        raise PodError(f'invalid cgroup parent "{parent}": it leads out of the cgroups')
    return False


def _absolute(parent: str) -> str:
    return "/" + parent.strip("/") if parent.strip("/") else ""


def _refuse(config: Config, wanted: ContainerConfig) -> None:
    """Raise PodError if anything is asked for that takes a cgroup, which an ordinary user has not."""
    limits = ", ".join(sorted(wanted["resources"]))
    if limits or wanted["cgroup_parent"]:
        raise PodError(
            f"cannot {f'limit {limits}' if limits else 'make a cgroup'}: no cgroup is delegated to user {config.uid}",
            hint="limits for rootless containers need cgroup v2 and a systemd user session, or run as root",
        )


def own_cgroup() -> str:
    """Return the cgroup that --cgroups=split divides: the caller's in cgroup v2; empty without v2, or in hybrid."""
    if not paths.exists(f"{_UNIFIED}/cgroup.controllers"):
        return ""
    with open("/proc/self/cgroup", encoding="utf-8") as file:
        own = next((line[3:].strip() for line in file if line.startswith("0::")), "/")
    return own.removesuffix(f"/{_SUPERVISOR}") or "/"


def make_room() -> None:
    """Move all processes of the caller's cgroup into one below it: in v2 only leaves have processes. Idempotent.

    Raises PodError where the cgroup is not one to be split: the root's, or somebody else's.
    """
    own = own_cgroup()
    if not own:
        return
    if own == "/":
        raise PodError(
            "cannot split the cgroup of this process: it is the root of all", hint="run it in a unit of systemd's"
        )
    directory = f"{_UNIFIED}{own}"
    try:
        if not paths.exists(f"{directory}/{_SUPERVISOR}"):
            posix.mkdir(f"{directory}/{_SUPERVISOR}")
        while pids := _processes(directory):
            for pid in pids:
                _move(pid, f"{directory}/{_SUPERVISOR}")
    except OSError as error:
        raise PodError(
            f"cannot split the cgroup {own}: {(error.strerror or '').lower()}",
            hint="--cgroups=split needs a cgroup of one's own: a unit of systemd with Delegate=yes",
        ) from error


def _processes(directory: str) -> list[str]:
    with open(f"{directory}/cgroup.procs", encoding="utf-8") as file:
        return [pid for pid in file.read().split() if pid != "0"]


def _move(pid: str, directory: str) -> None:
    try:
        with open(f"{directory}/cgroup.procs", "w", encoding="utf-8") as file:
            file.write(pid)
    except ProcessLookupError:
        pass  # it has ended meanwhile
