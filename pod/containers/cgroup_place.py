"""Where a container's control group is, or is to be."""

from __future__ import annotations

from pod import systemd
from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.containers.configuration import ContainerConfig
    from pod.engine import Engine


def cgroups_path(engine: Engine, container_id: str, config: ContainerConfig) -> str:
    """Return `linux.cgroupsPath`, empty for none. Raises PodError for limits that cannot be had."""
    if config["cgroups"] == "disabled":
        return ""
    if systemd.bus(engine.config):
        return systemd.cgroups_path(engine.config, container_id)
    if not engine.config.rootless:
        return f"/pod-{container_id}"
    from pod.delegation import rootless_cgroup

    parent = rootless_cgroup()
    if parent:
        return f"{parent}/pod-{container_id}"
    if config["resources"]:
        limits = ", ".join(sorted(config["resources"]))
        raise PodError(
            f"cannot limit {limits}: no cgroup is delegated to user {engine.config.uid}",
            hint="limits for rootless containers need cgroup v2 and a systemd user session, or run as root",
        )
    return ""
