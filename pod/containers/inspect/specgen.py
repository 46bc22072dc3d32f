"""A container as a document from which podman would make it anew (SpecGenerator of podman's pkg/specgen)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from pod.state import Container


def document(container: Container, *, name: str) -> dict[str, Any]:
    """Return the document, without what is not set; `name` is the one that the new container is to have."""
    config = container.config
    security = config["security"]
    told: dict[str, Any] = {
        "name": name,
        "command": config["command"],
        "entrypoint": config["entrypoint"],
        "env": config["env"],
        "terminal": config["tty"],
        "stdin": config["stdin"],
        "labels": config["labels"],
        "annotations": config["annotations"],
        "stop_signal": config["stop_signal"],
        "stop_timeout": config["stop_timeout"],
        "log_configuration": {"driver": config["log_driver"]},
        "remove": container.auto_remove,
        "containerCreateCommand": config["create_command"],
        **_namespaces(config),
        "image": container.image,
        "raw_image_name": config["image_name"],
        "rootfs": config["rootfs"],
        "init": bool(config["init_path"]),
        "work_dir": config["workdir"],
        "user": config["user"],
        "groups": config["group_add"],
        "hostname": config["hostname"],
        "privileged": security["privileged"],
        "cap_add": security["cap_add"],
        "cap_drop": security["cap_drop"],
        "no_new_privileges": security["no_new_privileges"],
        "seccomp_profile_path": security["seccomp"],
        "read_only_filesystem": config["read_only"],
        "shm_size": config["shm_size"],
        "resource_limits": config["resources"],
        "r_limits": [
            {"type": f"RLIMIT_{kind.upper()}", "soft": soft, "hard": hard} for kind, soft, hard in config["ulimits"]
        ],
        **_mounts(config),
    }
    return {key: value for key, value in told.items() if value or key == "name"}


def _namespaces(config: dict[str, Any]) -> dict[str, dict[str, str]]:
    names = {"pid": "pidns", "ipc": "ipcns", "uts": "utsns", "user": "userns", "network": "netns", "cgroup": "cgroupns"}
    told = {}
    for kind, key in names.items():
        mode, _, value = config["namespaces"].get(kind, "private").partition(":")
        told[key] = {"nsmode": mode, **({"value": value} if value else {})}
    return told


def _mounts(config: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    volumes = [
        {"Name": mount["source"], "Dest": mount["target"], "Options": mount["options"]}
        for mount in config["mounts"]
        if mount["type"] == "volume"
    ]
    mounts = [
        {
            "destination": mount["target"],
            "type": mount["type"],
            "source": mount["source"] or mount["type"],
            "options": mount["options"],
        }
        for mount in config["mounts"]
        if mount["type"] != "volume"
    ]
    return {"mounts": mounts, "volumes": volumes}
