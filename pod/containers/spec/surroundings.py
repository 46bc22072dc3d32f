"""What the runtime spec of a container depends on beside the container's configuration: paths, host, user."""

from __future__ import annotations

from pod.config import DEFAULT_CAPABILITIES, DEFAULT_SYSCTLS
from pod.containers.resources.cgroup_place import cgroups_path
from pod.containers.security import privileges as security
from runtime import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.containers.configuration import ContainerConfig
    from pod.engine import Engine

    IdMapping = tuple[int, int, int]  # inside, outside, count


_CGROUPS = "/sys/fs/cgroup"


class Surroundings:
    """What the spec depends on beside the container's configuration."""

    __slots__ = (
        "cgroups_path",
        "default_capabilities",
        "default_sysctls",
        "files",
        "host_has_mqueue",
        "id_mappings",
        "kept_hierarchies",
        "mount_label",
        "process_label",
        "rootfs",
        "rootless",
        "secret_env",
        "shared_memory",
        "systemd_hierarchy",
        "volumes",
    )

    def __init__(
        self,
        *,
        rootfs: str,
        files: str,
        volumes: str,
        rootless: bool,
        cgroups_path: str,
        id_mappings: tuple[list[IdMapping], list[IdMapping]] | None,
        default_capabilities: list[str],
        default_sysctls: dict[str, str],
        host_has_mqueue: bool = True,
        shared_memory: str = "",
        process_label: str = "",
        mount_label: str = "",
        secret_env: dict[str, str] | None = None,
        kept_hierarchies: list[str] | None = None,
        systemd_hierarchy: str = _CGROUPS,
    ) -> None:
        self.rootfs = rootfs  # where the root file system will be mounted
        self.files = files  # the directory of hosts, hostname, resolv.conf and .containerenv
        self.volumes = volumes  # the directory of named volumes
        self.rootless = rootless
        self.cgroups_path = cgroups_path
        self.id_mappings = id_mappings  # users' and groups', if the container has a user namespace of its own
        self.default_capabilities = default_capabilities
        self.default_sysctls = default_sysctls
        self.host_has_mqueue = host_has_mqueue
        self.shared_memory = shared_memory  # where the /dev/shm of another container will be mounted, for --ipc
        self.process_label = process_label  # SELinux's
        self.mount_label = mount_label
        self.secret_env = secret_env or {}  # variables that nothing but the process is to know
        self.systemd_hierarchy = systemd_hierarchy  # the one in which systemd keeps what it starts
        self.kept_hierarchies = kept_hierarchies or []  # of cgroup v1, which also systemd in a container may not change


def observed(engine: Engine, container_id: str, config: ContainerConfig) -> Surroundings:
    """Return what the spec of a container depends on beside its own configuration."""
    directory = engine.config.container_dir(container_id)
    labels = config["confinement"]["label_options"]
    settings = engine.config.containers
    default = settings.get("default_capabilities") or DEFAULT_CAPABILITIES
    sysctls = [item.partition("=") for item in settings.get("default_sysctls", DEFAULT_SYSCTLS)]
    return Surroundings(
        rootfs=f"{directory}/rootfs"
        if config["identity"]["rootfs_overlay"]
        else config["rootfs"] or f"{directory}/rootfs",
        files=f"{directory}/files",
        volumes=f"{engine.config.graphroot}/volumes",
        rootless=engine.config.rootless,
        cgroups_path=cgroups_path(engine, container_id, config),
        id_mappings=_id_mappings(engine, config),
        default_capabilities=[security.capability(name) for name in default],
        host_has_mqueue=paths.is_directory("/dev/mqueue"),
        shared_memory=f"{directory}/shm" if config["namespaces"]["ipc"].startswith("container:") else "",
        process_label=security.process_label(labels),
        mount_label=security.mount_label(labels),
        secret_env=_secret_env(engine, container_id, config),
        kept_hierarchies=_kept_hierarchies() if config["systemd"] else None,
        systemd_hierarchy=_CGROUPS if _is_unified() else f"{_CGROUPS}/systemd",
        default_sysctls={key.strip(): value.strip() for key, _, value in sysctls},
    )


def _is_unified() -> bool:
    return paths.exists(f"{_CGROUPS}/cgroup.controllers")


def _kept_hierarchies() -> list[str]:
    """Return what of cgroup v1 systemd in a container may not change: other hierarchies, and what the kernel calls."""
    if _is_unified():
        return []
    with open("/proc/self/cgroup", encoding="utf-8") as file:
        names = [line.split(":", 2)[1] or "unified" for line in file]
    kept = [f"{_CGROUPS}/{name}" for name in names if name != "name=systemd" and paths.exists(f"{_CGROUPS}/{name}")]
    return [*kept, f"{_CGROUPS}/systemd/release_agent"]


def _id_mappings(engine: Engine, config: ContainerConfig) -> tuple[list[IdMapping], list[IdMapping]] | None:
    maps, mode = config["id_map"], config["namespaces"]["user"]
    if maps is None and not mode.startswith("keep-id"):
        return None
    from pod.containers.namespaces import userns

    # Earlier versions did not store the map of keep-id.
    return userns.as_ranges(maps) if maps is not None else userns.keep_id_map(engine, mode)


def _secret_env(engine: Engine, container_id: str, config: ContainerConfig) -> dict[str, str]:
    if not config["secrets"]:
        return {}
    from pod import secrets

    secrets.keep_copies(engine, container_id, config["secrets"])  # a crash may have kept them from being made
    return secrets.environment(engine.config, container_id, config["secrets"])
