"""The fields of `inspect` on namespaces, identity and confinement, with podman's names."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.engine import Engine
    from pod.state import Container


def top(engine: Engine, container: Container) -> dict[str, Any]:
    """Return the fields of the container itself."""
    from pod.containers.security import privileges as security

    config, identity = container.config, container.config["identity"]
    confinement, privileged = config["confinement"], config["security"]["privileged"]
    monitor_dir = engine.config.monitor_dir(container.id)
    return {
        "ConmonPidFile": identity["conmon_pidfile"] or f"{monitor_dir}/monitor",
        "PidFile": identity["pidfile"] or f"{monitor_dir}/pid",
        "MountLabel": "" if privileged else security.mount_label(confinement["label_options"]),
        "ProcessLabel": "" if privileged else security.process_label(confinement["label_options"]),
        "AppArmorProfile": "" if privileged else confinement["apparmor"],
    }


def config(container: Container) -> dict[str, Any]:
    """Return the fields of Config."""
    identity = container.config["identity"]
    found = {"Umask": identity["umask"], "Passwd": identity["passwd"]}
    if identity["timezone"]:
        found["Timezone"] = identity["timezone"]
    return found


def host_config(container: Container) -> dict[str, Any]:
    """Return the fields of HostConfig."""
    document = container.config
    namespaces, identity, maps = document["namespaces"], document["identity"], document["id_map"]
    found = {
        "ContainerIDFile": identity["cidfile"],
        "NetworkMode": namespaces["network"],
        "IpcMode": namespaces["ipc"],
        "PidMode": namespaces["pid"],
        "UTSMode": namespaces["uts"],
        "CgroupMode": namespaces.get("cgroup", "private"),
        "UsernsMode": _user_mode(namespaces["user"]),
        "ExtraHosts": identity["add_hosts"],
        "SecurityOpt": _security_options(document),
        "Annotations": document["annotations"],
    }
    if maps is not None:
        found["IDMappings"] = {
            "UidMap": [":".join(map(str, entry)) for entry in maps["uids"]],
            "GidMap": [":".join(map(str, entry)) for entry in maps["gids"]],
        }
    return found


def _user_mode(mode: str) -> str:
    if mode == "host":
        return ""
    return mode if mode.partition(":")[0] in ("container", "ns") else "private"


def _security_options(document: dict[str, Any]) -> list[str]:
    """Return what --security-opt said, in podman's order."""
    security, confinement = document["security"], document["confinement"]
    found = [f"label={option}" for option in confinement["label_options"]]
    if security["seccomp"]:
        found.append(f"seccomp={security['seccomp']}")
    if confinement["apparmor"]:
        found.append(f"apparmor={confinement['apparmor']}")
    if security["no_new_privileges"]:
        found.append("no-new-privileges")
    found += [f"{name}={':'.join(security[name])}" for name in ("mask", "unmask") if security[name]]
    if confinement["proc_options"]:
        found.append(f"proc-opts={','.join(confinement['proc_options'])}")
    return found
