"""The control group of a pod: those of its containers are below it, and the limits of all of them are its own.

Without limits it comes with the first container in it and goes with the last. Otherwise it is made before the first is
started, and RUNROOT/pods/ID says where it is until the pod is removed: so what a crash leaves of it can be found.
"""

from __future__ import annotations

import posix

from pod import systemd
from pod.containers.resources import cgroup_place
from pod.errors import PodError
from pod.lock import PodLock
from pod.pods import rows
from runtime import cgroups, paths
from runtime.cgroups.errors import CgroupError, CgroupUnavailableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.config import Config
    from pod.engine import Engine
    from pod.pods.create import PodOptions
    from pod.pods.rows import Pod


def name(pod_id: str) -> str:
    """Return the name of a pod's control group: a directory, or with systemd part of the name of a slice."""
    return f"pod_{pod_id}"


def settle(engine: Engine, options: PodOptions) -> None:
    """Check parent and limits of a pod that is to be created. Raises PodError for what cannot be had."""
    place = cgroup_place.pod_place(engine.config, name("new"), options.cgroup_parent)
    if not options.resources:
        return
    from pod.containers.resources import limits

    unified = limits.is_unified()
    limits.check(options.resources, unified=unified)
    limits.complete(options.resources)
    options.warnings += limits.discard_unsupported(options.resources, unified=unified)
    if engine.config.rootless and not unified:
        limits.drop_on_v1(options)
    elif not place:
        raise PodError(
            f"cannot limit {', '.join(sorted(options.resources))}: no cgroup is delegated to user {engine.config.uid}",
            hint="limits for rootless pods need a systemd user session, or run as root",
        )


def of(config: Config, pod: Pod) -> str:
    """Return where a pod's control group is: a path from the mount point, or the name of a slice; empty for none."""
    if not pod.config["share_parent"]:
        return ""
    return cgroup_place.pod_place(config, name(pod.id), pod.config["cgroup_parent"])


def parent(config: Config, pod: Pod) -> str:
    """Return what a pod's control group is below: the one that was asked for, else the default; empty for none."""
    if pod.config["cgroup_parent"]:
        return str(pod.config["cgroup_parent"])
    place = of(config, pod)
    if place.endswith(".slice"):
        return f"{place.rpartition(f'-{name(pod.id)}')[0]}.slice"
    return place and (place.rpartition("/")[0] or "/")


def make(engine: Engine, pod: Pod) -> None:
    """Make the control group of a pod that has limits, before a container is started in it. Idempotent.

    Raises PodError for limits that cannot be set.
    """
    resources, place = pod.config["resources"], of(engine.config, pod)
    bus = systemd.bus(engine.config)
    if not place or not (resources or bus):
        return
    _note(engine.config, pod.id, f"{engine.config.graphroot}\n{bus}\n{place}\n")
    try:
        if bus:
            from runtime.cgroups.slices import Slice

            Slice(bus, place).start(resources)
            return
        cgroup = cgroups.plan(place)
        cgroup.create()
        cgroup.apply(resources)
    except (CgroupError, CgroupUnavailableError) as error:
        raise PodError(f"limit pod {pod.name}: {error}", hint=error.hint) from error


def _note(config: Config, pod_id: str, text: str) -> None:
    directory = f"{config.runroot}/pods"
    path = f"{directory}/{pod_id}"
    if paths.exists(path):
        return
    try:
        posix.mkdir(directory, 0o700)
    except FileExistsError:
        pass
    temporary = f"{path}.{posix.getpid()}"
    with open(temporary, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
    posix.rename(temporary, path)


def remove(config: Config, pod: Pod) -> None:
    """Remove the control group of a pod whose row is gone, as far as the last container in it has not done so."""
    place = of(config, pod)
    if paths.exists(f"{config.runroot}/pods/{pod.id}"):
        _remove_noted(config, pod.id)
    elif place and not systemd.bus(config):
        cgroups.plan(place).remove()  # a monitor may have been killed before it made one below this


def _remove_noted(config: Config, pod_id: str) -> None:
    """Remove a control group of which there is a note; what is left of it the next command removes."""
    path = f"{config.runroot}/pods/{pod_id}"
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            graphroot, bus, place = file.read().splitlines()
    except (FileNotFoundError, ValueError):
        return
    if graphroot != config.graphroot:
        return  # another store's, which has the same runroot
    if bus:
        from runtime.cgroups.slices import Slice

        Slice(bus, place).remove()
    else:
        cgroups.plan(place).remove()
    posix.unlink(path)


def sweep(engine: Engine) -> None:
    """Remove what a killed command left of pods of which there is no row any more: their control groups, and locks."""
    directory = f"{engine.config.runroot}/pods"
    found = posix.listdir(directory)  # before the rows: a row is always there before its files
    known = rows.names(engine.connection) if found else {}
    for entry in found:
        pod_id, _, kind = entry.partition(".")
        if pod_id in known:
            continue
        if not kind:
            _remove_noted(engine.config, pod_id)
        elif kind == "lock":
            try:
                with PodLock(engine.config, pod_id, wait=False):
                    pass  # it is unlinked at the end
            except BlockingIOError:
                continue
        else:
            posix.unlink(f"{directory}/{entry}")
