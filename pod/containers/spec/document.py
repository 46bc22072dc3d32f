"""The runtime spec of a container: its configuration and the defaults, put into the words of config.json. Pure.

What depends on the content of the image (user, home, directory) is added by rootfs.overlay once that is mounted.
Source: runtime-spec, config.md and config-linux.md; the defaults are podman's.
"""

from __future__ import annotations

from pod.containers.inside.environment import of_program
from pod.containers.security import privileges as security
from pod.containers.spec import mounts as spec_mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.containers.configuration import ContainerConfig
    from pod.containers.spec.surroundings import IdMapping, Surroundings

OCI_VERSION = "1.0.2"
MASKED_PATHS = (
    "/proc/acpi /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats /proc/sched_debug /proc/scsi "
    "/proc/timer_list /proc/timer_stats /sys/dev/block /sys/devices/virtual/powercap /sys/firmware /sys/fs/selinux"
).split()
READONLY_PATHS = ("/proc/asound /proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger").split()


def build(config: ContainerConfig, container_id: str, surroundings: Surroundings) -> dict[str, Any]:
    """Return the runtime spec of a container."""
    return {
        "ociVersion": OCI_VERSION,
        "process": process(config, config["entrypoint"] + config["command"], container_id, surroundings),
        "root": {"path": surroundings.rootfs, "readonly": config["read_only"]},
        "hostname": config["hostname"] if config["namespaces"]["uts"] == "private" else "",
        "mounts": spec_mounts.mounts(config, surroundings),
        "annotations": {**_unit_properties(config, surroundings), **_keep_groups(config), **config["annotations"]},
        "linux": _linux(config, surroundings),
    }


def _unit_properties(config: ContainerConfig, surroundings: Surroundings) -> dict[str, str]:
    """Return the annotations for a unit of systemd: at shutdown it has the container's time to stop, not 90 seconds."""
    if ":" not in surroundings.cgroups_path:
        return {}
    seconds = max(1, config["stop_timeout"])  # to systemd 0 is for ever
    return {"org.systemd.property.TimeoutStopUSec": f"uint64 {seconds * 1_000_000}"}


def _keep_groups(config: ContainerConfig) -> dict[str, str]:
    """Return the annotation by which a runtime leaves the caller's groups to the process (crun's, and ours)."""
    return {"run.oci.keep_original_groups": "1"} if config["identity"]["keep_groups"] else {}


def process(config: ContainerConfig, args: list[str], container_id: str, surroundings: Surroundings) -> dict[str, Any]:
    """Return the process section: root, until pod.containers.rootfs.overlay has looked up who the user is."""
    if config["init_path"]:
        args = [spec_mounts.INIT_TARGET, "--", *args]
    confinement = config["confinement"]
    env = of_program(config) | surroundings.secret_env
    env.setdefault("HOSTNAME", config["hostname"])
    if config["systemd"]:
        env.setdefault("container_uuid", container_id[:32])
    labels: dict[str, Any] = {}
    if not config["security"]["privileged"]:
        if confinement["apparmor"]:
            labels["apparmorProfile"] = confinement["apparmor"]
        if surroundings.process_label:
            labels["selinuxLabel"] = surroundings.process_label
    return {
        **labels,
        "terminal": config["tty"],
        "user": {"uid": 0, "gid": 0},
        "args": args,
        "env": [f"{key}={value}" for key, value in env.items()],
        "cwd": config["workdir"] or "/",
        "capabilities": security.capabilities(security.bounding(config, surroundings.default_capabilities), [], uid=0),
        "rlimits": [
            {"type": f"RLIMIT_{name.upper()}", "soft": soft & (2**64 - 1), "hard": hard & (2**64 - 1)}
            for name, soft, hard in config["ulimits"]
        ],
        "noNewPrivileges": config["security"]["no_new_privileges"],
        **({} if config["oom_score_adj"] is None else {"oomScoreAdj": config["oom_score_adj"]}),
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


def _linux(config: ContainerConfig, surroundings: Surroundings) -> dict[str, Any]:
    wanted = config["security"]
    linux: dict[str, Any] = {
        "namespaces": _namespaces(config, surroundings),
        "maskedPaths": [],
        "readonlyPaths": [],
        "resources": _resources(config, surroundings),
        "cgroupsPath": surroundings.cgroups_path,
    }
    linux["sysctl"] = _sysctls(config, surroundings)
    if config["identity"]["personality"]:
        linux["personality"] = {"domain": config["identity"]["personality"]}
    if surroundings.mount_label and not wanted["privileged"]:
        linux["mountLabel"] = surroundings.mount_label
    if surroundings.id_mappings is not None:
        for key, mappings in zip(("uidMappings", "gidMappings"), surroundings.id_mappings, strict=True):
            linux[key] = [
                {"containerID": inside, "hostID": outside, "size": count} for inside, outside, count in mappings
            ]
    if not wanted["privileged"]:
        unmask = wanted["unmask"]
        linux["maskedPaths"] = [path for path in MASKED_PATHS if not _is_unmasked(path, unmask)] + wanted["mask"]
        linux["readonlyPaths"] = [path for path in READONLY_PATHS if not _is_unmasked(path, unmask)]
        linux["readonlyPaths"] += surroundings.kept_hierarchies
    if config["read_only"] and not config["storage"]["read_only_tmpfs"]:
        linux["readonlyPaths"] += ["/dev", "/dev/shm"]  # once its nodes have been made
    if wanted["privileged"] and not surroundings.rootless:
        from pod.containers.devices.nodes import host_devices

        linux["devices"] = host_devices()
    if wanted["seccomp"] != "unconfined" and not (wanted["privileged"] and not wanted["seccomp"]):
        linux["seccomp"] = _seccomp(config, security.bounding(config, surroundings.default_capabilities))
    propagation = [option for mount in config["mounts"] for option in mount["options"]]
    if any(option in ("rshared", "shared") for option in propagation):
        linux["rootfsPropagation"] = "shared"
    elif any(option in ("rslave", "slave") for option in propagation):
        linux["rootfsPropagation"] = "rslave"
    return linux


def _seccomp(config: ContainerConfig, allowed: list[str]) -> dict[str, Any]:
    """Return the filter: that of a file, else of a text, else the default, for a process with these capabilities."""
    from pod.containers.security import seccomp_profile

    profile, text = config["security"]["seccomp"], config["confinement"]["seccomp_profile"]
    if profile:
        return seccomp_profile.from_file(profile, allowed)
    return seccomp_profile.from_text(text, allowed) if text else seccomp_profile.default_profile(allowed)


def _is_unmasked(path: str, unmasked: list[str]) -> bool:
    """Tell whether one of the paths or shell patterns names a path."""
    if not unmasked:
        return False
    if "ALL" in unmasked or path in unmasked:
        return True
    from fnmatch import fnmatchcase

    return any(fnmatchcase(path, pattern) for pattern in unmasked)


def _resources(config: ContainerConfig, surroundings: Surroundings) -> dict[str, Any]:
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


def _namespaces(config: ContainerConfig, surroundings: Surroundings) -> list[dict[str, str]]:
    """Return the namespaces; one of another container has that in place of its path until the start (joins.py)."""
    wanted = config["namespaces"]
    found = [{"type": "mount"}]
    for kind in ("cgroup", "pid", "ipc", "uts", "network"):
        mode: str = wanted.get(kind, "private")  # type: ignore[assignment]
        if mode != "host":
            found.append({"type": kind, **_path(mode)})
    if surroundings.id_mappings is not None:
        found.append({"type": "user", **_path(wanted["user"])})
    return found


def _path(mode: str) -> dict[str, str]:
    word, _, value = mode.partition(":")
    if word == "container":
        return {"path": mode}
    return {"path": value} if word == "ns" else {}


def _is_own(mode: str) -> bool:
    return mode != "host" and mode.partition(":")[0] not in ("container", "ns")


def _sysctls(config: ContainerConfig, surroundings: Surroundings) -> dict[str, str]:
    result = {
        key: value
        for key, value in surroundings.default_sysctls.items()
        # Nor is it changed for those that are there already.
        if _is_own(config["namespaces"]["network" if key.startswith("net.") else "ipc"])
    }
    if surroundings.id_mappings is not None and all(inside > 0 for inside, _, _ in surroundings.id_mappings[1]):
        # Its value would name groups that a namespace of one ID, which is not root's, does not have.
        result.pop("net.ipv4.ping_group_range", None)
    return result | config["confinement"]["sysctls"]
