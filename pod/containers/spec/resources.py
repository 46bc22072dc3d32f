"""The limits of a container in its runtime spec (linux.resources). Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.containers.configuration import ContainerConfig
    from pod.containers.spec.surroundings import Surroundings


def resources(config: ContainerConfig, surroundings: Surroundings) -> dict[str, Any]:
    """Return what was asked for, the limit of processes, and which devices are allowed."""
    resources = dict(config["resources"])
    if not surroundings.cgroups_path:
        return resources
    if config["pids_limit"] > 0:
        resources["pids"] = {"limit": config["pids_limit"]}
    if config["security"]["privileged"]:
        resources["devices"] = [{"allow": True, "access": "rwm"}]
    else:
        resources["devices"] = [{"allow": False, "access": "rwm"}]
    return resources
