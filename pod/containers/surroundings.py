"""What the runtime spec of a container depends on beside the container's configuration: paths, host, user."""

from __future__ import annotations

import os

from pod.config import DEFAULT_CAPABILITIES, DEFAULT_SYSCTLS
from pod.containers import create
from pod.containers.cgroup_place import cgroups_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.containers.configuration import ContainerConfig
    from pod.engine import Engine

    IdMapping = tuple[int, int, int]  # inside, outside, count


class Surroundings:
    """What the spec depends on beside the container's configuration."""

    __slots__ = (
        "cgroups_path",
        "default_capabilities",
        "default_sysctls",
        "files",
        "host_has_mqueue",
        "id_mappings",
        "rootfs",
        "rootless",
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


def observed(engine: Engine, container_id: str, config: ContainerConfig) -> Surroundings:
    """Return what the spec of a container depends on beside its own configuration."""
    directory = engine.config.container_dir(container_id)
    mode = config["namespaces"]["user"]
    mappings = None
    if mode.startswith("keep-id"):
        mappings = create.id_mappings(create.keep_id_user(engine, mode))
    settings = engine.config.containers
    default = settings.get("default_capabilities") or DEFAULT_CAPABILITIES
    sysctls = [item.partition("=") for item in settings.get("default_sysctls", DEFAULT_SYSCTLS)]
    return Surroundings(
        rootfs=config["rootfs"] or f"{directory}/rootfs",
        files=f"{directory}/files",
        volumes=f"{engine.config.graphroot}/volumes",
        rootless=engine.config.rootless,
        cgroups_path=cgroups_path(engine, container_id, config),
        id_mappings=mappings,
        default_capabilities=[create.capability(name) for name in default],
        host_has_mqueue=os.path.isdir("/dev/mqueue"),
        default_sysctls={key.strip(): value.strip() for key, _, value in sysctls},
    )
