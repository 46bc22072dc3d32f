"""A container as its creator asked for it: the document that the `config` column of the database holds.

At run time the documents are plain dictionaries: the types are for the checker.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypedDict

    from pod.containers.health.checks import HealthConfig
    from pod.containers.restart import RestartPolicy
    from pod.pods.configuration import Membership

    class Namespaces(TypedDict):
        """Which namespaces are its own ("private"), the host's, another's: see pod.containers.namespaces.choice."""

        network: str
        pid: str
        ipc: str
        uts: str
        cgroup: str
        user: str  # as --userns says it, "host" for the engine's own

    class IdMaps(TypedDict):
        """The maps of a user namespace: lists of inside, outside (as the engine counts), count."""

        uids: list[list[int]]
        gids: list[list[int]]

    class Identity(TypedDict):
        """How the container's process and its surroundings look from inside: see pod.containers.inside."""

        umask: str
        timezone: str
        personality: str
        keep_groups: bool
        unset_env: list[str]
        unset_env_all: bool
        passwd: bool
        passwd_entry: str
        group_entry: str
        host_users: list[str]
        hosts: bool
        hosts_file: str
        add_hosts: list[str]
        hostname_file: bool
        cidfile: str
        pidfile: str
        conmon_pidfile: str
        rootfs_overlay: bool
        rootfs_idmap: str  # empty for none, "idmap", or "idmap=uids=…;gids=…"

    class Confinement(TypedDict):
        """What holds the process in beyond capabilities: labels, seccomp from the image, /proc, kernel parameters."""

        apparmor: str
        label_options: list[str]
        proc_options: list[str]
        seccomp_policy: str
        seccomp_profile: str  # the text of a profile that the image brings
        sysctls: dict[str, str]

    class Security(TypedDict):
        """What --security-opt and --privileged come to."""

        privileged: bool
        cap_add: list[str]
        cap_drop: list[str]
        seccomp: str  # empty for the default profile, "unconfined", or a path
        no_new_privileges: bool
        mask: list[str]
        unmask: list[str]  # paths, or "ALL"

    class Storage(TypedDict):
        """What the flags on storage come to beside the mounts."""

        read_only_tmpfs: bool
        chrootdirs: list[str]
        shm_size_systemd: int  # 0 for no limit

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

    class NetworkSettings(TypedDict):
        """What the flags on the network come to beside the networks themselves, which are rows of the database."""

        dns_servers: list[str]  # empty for the host's
        dns_search: list[str]  # empty for the host's, ["."] for none
        dns_options: list[str]
        resolv_conf: bool  # False leaves the image's own resolv.conf (--dns none)
        expose: list[str]  # PORT/PROTOCOL of the image and of --expose
        publish_all: bool
        pasta: list[str]  # options of the program

    class LogSettings(TypedDict):
        """What --log-opt comes to; see logs.options."""

        path: str  # empty for the container's own directory
        max_size: int  # bytes; 0 for no limit
        max_file: int  # how many files are kept, the present one included
        tag: str  # as the user has it, perhaps with {{.Name}} and the like
        labels: dict[str, str]  # fields for the journal

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
        storage: Storage
        secrets: list[dict[str, Any]]  # source, id, type, target, uid, gid, mode; never the data
        read_only: bool
        init_path: str  # empty without --init
        namespaces: Namespaces
        id_map: IdMaps | None  # of a user namespace of its own, or of the one that it joins
        identity: Identity
        security: Security
        confinement: Confinement
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
        health: HealthConfig | None
        timeout: int  # seconds after which it is killed; 0 for never
        sdnotify: str  # container, conmon, healthy, ignore
        systemd: bool  # its program is systemd, or wants what that wants
        log_driver: str  # k8s-file, journald, none or passthrough
        log: LogSettings
        runtime: Program | None
        cgroups: str  # "default", "disabled", "no-conmon" or "split"
        devices: Devices
        cgroup_parent: str  # empty for the default
        detach_keys: str
        rmi: bool  # its image is removed with it at its end, if nothing else uses that
        ports: list[dict[str, Any]]  # see ports.py
        network: NetworkSettings
        create_command: list[str]
        pod: Membership


# What a container has for the keys that its stored document lacks: those that the version which created it did not know
# yet, and those that had this very value, which is not stored. So no value here may ever change.
DEFAULTS: dict[str, Any] = {
    "storage": {"read_only_tmpfs": True, "chrootdirs": [], "shm_size_systemd": 0},
    "secrets": [],
    "cgroups": "default",
    "runtime": None,
    "log": {"path": "", "max_size": 10_000_000, "max_file": 3, "tag": "", "labels": {}},
    "cgroup_parent": "",
    "ports": [],
    "network": {
        "dns_servers": [],
        "dns_search": [],
        "dns_options": [],
        "resolv_conf": True,
        "expose": [],
        "publish_all": False,
        "pasta": [],
    },
    "rmi": False,
    "pod": {"id": "", "infra": False, "init": "", "cgroup": ""},
    "oom_score_adj": None,
    "health": None,
    "timeout": 0,
    "sdnotify": "container",
    "systemd": False,
    "restart": {"policy": "no", "maximum": 0},
    "devices": {"host": [], "rules": [], "cdi": [], "gpus": [], "cdi_dirs": []},
    "id_map": None,
    "identity": {
        "umask": "0022",
        "timezone": "",
        "personality": "",
        "keep_groups": False,
        "unset_env": [],
        "unset_env_all": False,
        "passwd": True,
        "passwd_entry": "",
        "group_entry": "",
        "host_users": [],
        "hosts": True,
        "hosts_file": "",
        "add_hosts": [],
        "hostname_file": True,
        "cidfile": "",
        "pidfile": "",
        "conmon_pidfile": "",
        "rootfs_overlay": False,
        "rootfs_idmap": "",
    },
    "confinement": {
        "apparmor": "",
        "label_options": [],
        "proc_options": [],
        "seccomp_policy": "default",
        "seccomp_profile": "",
        "sysctls": {},
    },
}

OWN_RUNTIME = "pod-runtime"


def runtime_name(config: dict[str, Any]) -> str:
    """Return what `inspect` calls the OCI runtime of a container."""
    program: Program | None = config["runtime"]
    return program["name"] if program else OWN_RUNTIME


def labels(image: dict[str, str], said: dict[str, str]) -> dict[str, str]:
    """Return a container's labels; no image says which unit it runs in: `auto-update` would restart that."""
    return {**{name: text for name, text in image.items() if name != "PODMAN_SYSTEMD_UNIT"}, **said}
