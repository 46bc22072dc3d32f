"""A pod as its creator asked for it: the document that the `config` column of the table `pod` holds.

At run time the documents are plain dictionaries: the types are for the checker. What the infra container has in the
pod's place (networks, ports, volumes, users) is in that container's own configuration.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypedDict

    from pod.containers.restart import RestartPolicy

    class Membership(TypedDict):
        """What a container's configuration says of its pod."""

        id: str  # empty for none
        infra: bool  # it is the one that holds the pod's namespaces
        init: str  # "always" or "once": it is run to its end before the others are started
        cgroup: str  # the name of the pod's control group, if its own is to be in there

    class PodConfig(TypedDict):
        """Everything that is settled when a pod is created."""

        hostname: str  # as it was asked for; empty for the pod's name
        labels: dict[str, str]
        share: list[str]  # of SHAREABLE, those that its containers have in common
        share_parent: bool  # its control group is the parent of those of its containers
        cgroup_parent: str  # of its control group; empty for the default
        resources: dict[str, Any]  # of its control group, as linux.resources of the runtime spec
        exit_policy: str  # "continue" or "stop", once its last container has ended
        restart: RestartPolicy | None  # of its containers that say nothing of it
        security_options: list[str]  # --security-opt of its containers
        create_command: list[str]


# The namespaces that a pod may share, in podman's words, and the keys of a container's modes.
SHAREABLE = {"cgroup": "cgroup", "ipc": "ipc", "net": "network", "pid": "pid", "uts": "uts"}
DEFAULT_SHARE = ("ipc", "net", "uts")
EXIT_POLICIES = ("continue", "stop")
