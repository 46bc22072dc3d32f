"""A container as its creator asked for it: the document that the `config` column of the database holds.

At run time the documents are plain dictionaries: the types are for the checker.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypedDict

    from pod.containers.restart import RestartPolicy

    class Namespaces(TypedDict):
        """Which namespaces are the container's own ("private") or the host's ("host"); network also knows "none"."""

        network: str
        pid: str
        ipc: str
        uts: str
        user: str  # "host" (the engine's own), "keep-id" or "keep-id:uid=…,gid=…"

    class Security(TypedDict):
        """What --security-opt and --privileged come to."""

        privileged: bool
        cap_add: list[str]
        cap_drop: list[str]
        seccomp: str  # empty for the default profile, "unconfined", or a path
        no_new_privileges: bool
        mask: list[str]
        unmask: list[str]  # paths, or "ALL"

    class Program(TypedDict):
        """A program that is a container's OCI runtime in place of our own library."""

        name: str  # as the user or containers.conf has it
        path: str
        flags: list[str]

    class Devices(TypedDict):
        """What --device, --device-cgroup-rule and --gpus ask for."""

        host: list[dict[str, str]]  # source, target, access
        rules: list[str]  # of the cgroup, as they were written
        cdi: list[str]  # qualified names
        gpus: list[str]
        cdi_dirs: list[str]  # where the files of CDI are; empty for the usual places

    class ContainerConfig(TypedDict):
        """Everything that is settled when a container is created."""

        image: str  # the image's ID, empty with rootfs
        image_name: str  # as the user wrote it, made full
        layers: list[str]  # diff IDs
        rootfs: str  # a host directory used in place of an image
        entrypoint: list[str]
        command: list[str]
        env: dict[str, str]
        user: str
        group_add: list[str]
        workdir: str
        hostname: str
        tty: bool
        stdin: bool
        mounts: list[dict[str, Any]]
        read_only: bool
        init_path: str  # empty without --init
        namespaces: Namespaces
        security: Security
        ulimits: list[tuple[str, int, int]]
        oom_score_adj: int | None
        resources: dict[str, Any]  # linux.resources of the runtime spec, only what was asked for
        pids_limit: int  # 0 for no limit
        shm_size: int
        labels: dict[str, str]
        annotations: dict[str, str]
        stop_signal: int
        stop_timeout: int
        restart: RestartPolicy
        log_driver: str
        runtime: Program | None
        cgroups: str  # "default", "disabled", "no-conmon" or "split"
        devices: Devices
        cgroup_parent: str  # empty for the default
        detach_keys: str
        create_command: list[str]


# What a container has for the keys that the version which created it did not know yet.
DEFAULTS: dict[str, Any] = {
    "cgroups": "default",
    "runtime": None,
    "cgroup_parent": "",
    "oom_score_adj": None,
    "restart": {"policy": "no", "maximum": 0},
    "devices": {"host": [], "rules": [], "cdi": [], "gpus": [], "cdi_dirs": []},
}
