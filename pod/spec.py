"""The runtime spec of a container: its configuration and the defaults, put into the words of config.json. Pure.

What depends on the content of the image (user, home, working directory) is added by pod.rootfs once that is mounted.
Source: runtime-spec, config.md and config-linux.md; the defaults are podman's.
"""

from __future__ import annotations

from pod.mounts import Mount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.container_config import ContainerConfig

    IdMapping = tuple[int, int, int]  # inside, outside, count

OCI_VERSION = "1.0.2"
# CAP_CHOWN (0) to CAP_CHECKPOINT_RESTORE (40), in the order of linux/capability.h
ALL_CAPABILITIES = (
    "CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID "
    "CAP_SETPCAP CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK "
    "CAP_IPC_OWNER CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN "
    "CAP_SYS_BOOT CAP_SYS_NICE CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE CAP_AUDIT_WRITE "
    "CAP_AUDIT_CONTROL CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM CAP_BLOCK_SUSPEND "
    "CAP_AUDIT_READ CAP_PERFMON CAP_BPF CAP_CHECKPOINT_RESTORE"
).split()
MASKED_PATHS = (
    "/proc/acpi /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats /proc/sched_debug /proc/scsi "
    "/proc/timer_list /proc/timer_stats /sys/dev/block /sys/devices/virtual/powercap /sys/firmware /sys/fs/selinux"
).split()
READONLY_PATHS = ("/proc/asound /proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger").split()
INIT_TARGET = "/run/podman-init"


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


def build(config: ContainerConfig, container_id: str, surroundings: Surroundings) -> dict[str, Any]:
    """Return the runtime spec of a container."""
    return {
        "ociVersion": OCI_VERSION,
        "process": process(config, config["entrypoint"] + config["command"], container_id, surroundings),
        "root": {"path": surroundings.rootfs, "readonly": config["read_only"]},
        "hostname": config["hostname"] if config["namespaces"]["uts"] == "private" else "",
        "mounts": _mounts(config, surroundings),
        "annotations": {**_unit_properties(config, surroundings), **config["annotations"]},
        "linux": _linux(config, surroundings),
    }


def _unit_properties(config: ContainerConfig, surroundings: Surroundings) -> dict[str, str]:
    """Return the annotations for a unit of systemd: at shutdown it has the container's time to stop, not 90 seconds."""
    if ":" not in surroundings.cgroups_path:
        return {}
    seconds = max(1, config["stop_timeout"])  # to systemd 0 is for ever
    return {"org.systemd.property.TimeoutStopUSec": f"uint64 {seconds * 1_000_000}"}


def process(config: ContainerConfig, args: list[str], container_id: str, surroundings: Surroundings) -> dict[str, Any]:
    """Return the process section: root, until pod.rootfs has looked up who the user is."""
    if config["init_path"]:
        args = [INIT_TARGET, "--", *args]
    env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "container": "podman"}
    if config["tty"]:
        env["TERM"] = "xterm"
    env |= config["env"]
    env.setdefault("HOSTNAME", config["hostname"])
    return {
        "terminal": config["tty"],
        "user": {"uid": 0, "gid": 0},
        "args": args,
        "env": [f"{key}={value}" for key, value in env.items()],
        "cwd": config["workdir"] or "/",
        "capabilities": capabilities(bounding(config, surroundings.default_capabilities), [], uid=0),
        "rlimits": [
            {"type": f"RLIMIT_{name.upper()}", "soft": soft & (2**64 - 1), "hard": hard & (2**64 - 1)}
            for name, soft, hard in config["ulimits"]
        ],
        "noNewPrivileges": config["security"]["no_new_privileges"],
    }


def set_console_size(process: dict[str, Any], size: tuple[int, int]) -> None:
    """Give the process's terminal, if it gets one, a height and a width from the start."""
    if process["terminal"] and all(size):
        process["consoleSize"] = {"height": size[0], "width": size[1]}


def outside(number: int, mappings: list[IdMapping]) -> int:
    """Return what an ID of the container is to the engine."""
    for inside, mapped, count in mappings:
        if inside <= number < inside + count:
            return mapped + number - inside
    return number


def bounding(config: ContainerConfig, default: list[str]) -> list[str]:
    """Return the capabilities that the container may ever have."""
    security = config["security"]
    if security["privileged"]:
        chosen = set(ALL_CAPABILITIES)
    else:
        chosen = set() if "ALL" in security["cap_drop"] else set(default)
        chosen |= set(ALL_CAPABILITIES if "ALL" in security["cap_add"] else security["cap_add"])
    chosen -= set(security["cap_drop"])
    return [name for name in ALL_CAPABILITIES if name in chosen]


def capabilities(allowed: list[str], added: list[str], *, uid: int) -> dict[str, list[str]]:
    """Return the five sets; a user other than root gets only what was added for it, and may keep that."""
    if uid == 0:
        return {"bounding": allowed, "effective": allowed, "permitted": allowed, "inheritable": [], "ambient": []}
    held = [name for name in allowed if name in added]
    return {"bounding": allowed, "effective": held, "permitted": held, "inheritable": held, "ambient": held}


def _linux(config: ContainerConfig, surroundings: Surroundings) -> dict[str, Any]:
    security = config["security"]
    linux: dict[str, Any] = {
        "namespaces": _namespaces(config, surroundings),
        "maskedPaths": [],
        "readonlyPaths": [],
        "resources": _resources(config, surroundings),
        "cgroupsPath": surroundings.cgroups_path,
    }
    linux["sysctl"] = _sysctls(config, surroundings)
    if surroundings.id_mappings is not None:
        for key, mappings in zip(("uidMappings", "gidMappings"), surroundings.id_mappings, strict=True):
            linux[key] = [
                {"containerID": inside, "hostID": outside, "size": count} for inside, outside, count in mappings
            ]
    if not security["privileged"]:
        unmask = security["unmask"]
        if "ALL" not in unmask:
            linux["maskedPaths"] = [path for path in MASKED_PATHS if path not in unmask]
            linux["readonlyPaths"] = [path for path in READONLY_PATHS if path not in unmask]
        linux["maskedPaths"] += security["mask"]
    if security["privileged"] and not surroundings.rootless:
        from pod.devices import host_devices

        linux["devices"] = host_devices()
    if security["seccomp"] != "unconfined" and not (security["privileged"] and not security["seccomp"]):
        from pod import seccomp_profile

        allowed = bounding(config, surroundings.default_capabilities)
        profile = security["seccomp"]
        linux["seccomp"] = (
            seccomp_profile.from_file(profile, allowed) if profile else seccomp_profile.default_profile(allowed)
        )
    propagation = [option for mount in config["mounts"] for option in mount["options"]]
    if any(option in ("rshared", "shared") for option in propagation):
        linux["rootfsPropagation"] = "shared"
    elif any(option in ("rslave", "slave") for option in propagation):
        linux["rootfsPropagation"] = "rslave"
    return linux


def _namespaces(config: ContainerConfig, surroundings: Surroundings) -> list[dict[str, str]]:
    wanted = config["namespaces"]
    found = [{"type": "mount"}, {"type": "cgroup"}]
    found += [{"type": kind} for kind in ("pid", "ipc", "uts") if wanted[kind] == "private"]
    if wanted["network"] != "host":
        found.append({"type": "network"})
    if surroundings.id_mappings is not None:
        found.append({"type": "user"})
    return found


def _sysctls(config: ContainerConfig, surroundings: Surroundings) -> dict[str, str]:
    result = {
        key: value
        for key, value in surroundings.default_sysctls.items()
        if config["namespaces"]["network" if key.startswith("net.") else "ipc"] != "host"
    }
    if surroundings.id_mappings is not None and all(inside > 0 for inside, _, _ in surroundings.id_mappings[1]):
        # Its value would name groups that a namespace of one ID, which is not root's, does not have.
        result.pop("net.ipv4.ping_group_range", None)
    return result


def _resources(config: ContainerConfig, surroundings: Surroundings) -> dict[str, Any]:
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


def _mounts(config: ContainerConfig, surroundings: Surroundings) -> list[dict[str, Any]]:
    chosen = [Mount.from_document(document) for document in config["mounts"]]
    taken = {mount.target for mount in chosen}
    own = _file_mounts(config, surroundings)
    if config["read_only"]:
        own += _scratch_mounts()
    rest = [mount for mount in own if mount["destination"] not in taken]
    rest += [_chosen_mount(mount, surroundings) for mount in chosen]
    # A mount below another must come after it, whatever the order on the command line.
    rest.sort(key=_depth)
    return [mount for mount in _system_mounts(config, surroundings) if mount["destination"] not in taken] + rest


def _depth(mount: dict[str, Any]) -> int:
    target: str = mount["destination"]
    return 0 if target == "/" else target.count("/")


def _chosen_mount(mount: Mount, surroundings: Surroundings) -> dict[str, Any]:
    if mount.type == "tmpfs":
        return {"destination": mount.target, "type": "tmpfs", "source": "tmpfs", "options": mount.options}
    source = f"{surroundings.volumes}/{mount.source}/_data" if mount.type == "volume" else mount.source
    options = mount.options
    if "bind" not in options and "rbind" not in options:
        options = ["rbind", *options]
    if mount.type == "volume":
        options = [*options, *(option for option in ("nosuid", "nodev") if option[2:] not in options)]
    return {"destination": mount.target, "type": "bind", "source": source, "options": options}


def _system_mounts(config: ContainerConfig, surroundings: Surroundings) -> list[dict[str, Any]]:
    namespaces = config["namespaces"]
    access = "rw" if config["security"]["privileged"] else "ro"
    mounts = [
        _mount("/proc", "proc", "proc", "nosuid,noexec,nodev"),
        _mount("/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"),
        _mount("/sys", "sysfs", "sysfs", f"nosuid,noexec,nodev,{access}"),
        _mount("/dev/pts", "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"),
        _mount("/sys/fs/cgroup", "cgroup", "cgroup", f"rprivate,nosuid,noexec,nodev,relatime,{access}"),
    ]
    if namespaces["pid"] == "host" and surroundings.rootless:
        # A fresh procfs needs a process namespace that belongs to our user namespace.
        mounts[0] = _mount("/proc", "bind", "/proc", "rbind,nosuid,noexec,nodev")
    if namespaces["network"] == "host" and surroundings.rootless:
        mounts[2] = _mount("/sys", "bind", "/sys", f"rbind,nosuid,noexec,nodev,{access}")
    if namespaces["ipc"] == "host":
        if surroundings.host_has_mqueue:
            mounts.append(_mount("/dev/mqueue", "bind", "/dev/mqueue", "bind,nosuid,noexec,nodev"))
        mounts.append(_mount("/dev/shm", "bind", "/dev/shm", "bind,nosuid,noexec,nodev"))
    else:
        mounts.append(_mount("/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev"))
        mounts.append(_mount("/dev/shm", "tmpfs", "shm", f"nosuid,noexec,nodev,mode=1777,size={config['shm_size']}"))
    return mounts


def _file_mounts(config: ContainerConfig, surroundings: Surroundings) -> list[dict[str, Any]]:
    names = {"hosts": "/etc/hosts", "hostname": "/etc/hostname", "resolv.conf": "/etc/resolv.conf"}
    names["containerenv"] = "/run/.containerenv"
    mounts = [_mount(target, "bind", f"{surroundings.files}/{name}", "bind,rprivate") for name, target in names.items()]
    if config["init_path"]:
        mounts.append(_mount(INIT_TARGET, "bind", config["init_path"], "bind,ro,rprivate"))
    return mounts


def _scratch_mounts() -> list[dict[str, Any]]:
    options = "rprivate,nosuid,nodev,tmpcopyup"
    return [_mount(target, "tmpfs", "tmpfs", options) for target in ("/tmp", "/var/tmp", "/run")]


def _mount(destination: str, kind: str, source: str, options: str) -> dict[str, Any]:
    return {"destination": destination, "type": kind, "source": source, "options": options.split(",")}
