"""The infra container: it holds the namespaces of a pod, and what hangs on them: networks, ports, users.

Unless an image is asked for it has none: its root file system is an empty directory of its own with one program in it,
a few hundred bytes that wait (pod.pods.infra_program).
"""

from __future__ import annotations

import posix

from pod.pods import cgroup, infra_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.containers.create import CreateOptions
    from pod.engine import Engine
    from pod.pods.rows import Pod
    from pod.state import Container

_PROGRAM = "catatonit"  # as podman's


def prepare(engine: Engine, options: CreateOptions, pod: Pod) -> None:
    """Complete what the infra container of a new pod is to be; its ID is settled."""
    parent = pod.config["cgroup_parent"]
    options.pod = {
        "id": pod.id,
        "infra": True,
        "init": "",
        "cgroup": cgroup.name(pod.id) if pod.config["share_parent"] else "",
    }
    options.cgroup_parent, options.resources, options.pids_limit = parent, {}, None
    options.name = options.name or f"{pod.id[:12]}-infra"
    options.namespaces["ipc"] = options.namespaces["ipc"] or "shareable"
    if options.namespaces["uts"] != "host" and not options.hostname:
        options.hostname = pod.name[:64]
    if options.image is None:
        options.rootfs = f"{engine.config.container_dir(options.id)}/rootfs"
        options.read_only = True  # nobody in the pod has anything to change there
        options.entrypoint = options.entrypoint or [f"/{_PROGRAM}", "-P"]


def furnish(container: Container, owner: int, group: int) -> None:
    """Put the program into the root file system of an infra container without an image, which is its users' own.

    Written beside it and moved there, whatever has its name: what is in there is not trusted, and no link is followed.
    """
    directory, _, name = container.config["rootfs"].rpartition("/")
    if not name:
        return
    temporary = f"{directory}/{_PROGRAM}"
    handle = posix.open(temporary, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o600)
    try:
        posix.write(handle, infra_program.image())
        posix.fchmod(handle, 0o555)
    finally:
        posix.close(handle)
    root = posix.open(f"{directory}/{name}", posix.O_PATH | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC)
    try:
        posix.chown(f"/proc/self/fd/{root}", owner, group)
        posix.rename(temporary, _PROGRAM, dst_dir_fd=root)
    finally:
        posix.close(root)
