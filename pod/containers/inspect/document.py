"""Containers and volumes as `inspect` tells them, with podman's names and types."""

from __future__ import annotations

from pod import values
from pod.containers import dependencies, restart, sessions
from pod.containers.checkpoints import checkpointed
from pod.containers.configuration import runtime_name
from pod.containers.health import checks as health
from pod.containers.inside.environment import of_program
from pod.containers.inspect import fields as inspect_fields
from pod.containers.inspect import identity as inspect_identity
from pod.containers.inspect import limits as inspect_limits
from pod.containers.logs import logged
from pod.containers.status import observe
from runtime.moments import from_seconds, shortest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.config import Config
    from pod.containers.status import Status
    from pod.engine import Engine
    from pod.state import Container, Volume

_NEVER = "0001-01-01T00:00:00Z"


def moment(seconds: float) -> str:
    """Return RFC 3339 for a moment since 1970; 0 is never."""
    return shortest(from_seconds(seconds)) if seconds else _NEVER


def inspect_container(engine: Engine, container: Container, *, size: bool = False) -> dict[str, Any]:
    """Return all that is known of a container."""
    config = container.config
    seen = observe(engine.config, container.id)
    if seen.is_guess:
        from pod.containers.remains import lost

        seen = lost.seen(engine.config, container.id)
    image = inspect_fields.image_of(engine, container)
    directory = engine.config.container_dir(container.id)
    words = config["entrypoint"] + config["command"]
    described = {
        "Id": container.id,
        "Created": moment(container.created),
        "Path": words[0],
        "Args": words[1:],
        "State": _state(engine.config, container, seen),
        "Image": container.image,
        "ImageDigest": image.digest if image is not None else "",
        "ImageName": config["image_name"],
        "Rootfs": config["rootfs"],
        "Pod": config["pod"]["id"],
        "ResolvConfPath": f"{directory}/files/resolv.conf",
        "HostnamePath": f"{directory}/files/hostname",
        "HostsPath": f"{directory}/files/hosts",
        "StaticDir": directory,
        "OCIConfigPath": f"{directory}/config.json",
        "OCIRuntime": runtime_name(config),
        "Name": container.name,
        **inspect_identity.top(engine, container),
        "RestartCount": restart.count(engine.config, container.id),
        "Driver": "overlay",
        "EffectiveCaps": [],
        "BoundingCaps": [],
        "ExecIDs": [one.id for one in sessions.sessions(engine, container) if one.running],
        "GraphDriver": inspect_fields.graph_driver(engine, container, image, seen),
        "Mounts": [_mount(engine, mount) for mount in config["mounts"] if mount["type"] != "tmpfs"],
        "Dependencies": dependencies.needs_of(engine.connection, container.id),
        "NetworkSettings": inspect_fields.network_settings(engine, container, pid=seen.pid),
        "Namespace": "",
        "IsInfra": config["pod"]["infra"],
        "IsService": False,
        "Config": _config(container),
        "HostConfig": _host_config(engine, container),
    }
    _add_capabilities(engine, container, described)
    if size:
        described["SizeRw"], described["SizeRootFs"] = inspect_fields.sizes(engine, container, image)
    return described


def inspect_volume(engine: Engine, volume: Volume) -> dict[str, Any]:
    """Return all that is known of a volume."""
    from pod import volumes
    from pod.volumes import driver

    described = {
        "Name": volume.name,
        "Driver": "local",
        "Mountpoint": volumes.path(engine.config, volume.name),
        "CreatedAt": moment(volume.created),
        "Labels": volume.labels,
        "Scope": "local",
        "Options": volume.options,
        "Anonymous": volume.anonymous,
        "MountCount": driver.mount_count(engine.config, volume.name),
        "NeedsCopyUp": volumes.needs_copy_up(engine.config, volume.name),
        "NeedsChown": volumes.needs_copy_up(engine.config, volume.name) and "UID" not in volume.options,
        "LockNumber": 0,
    }
    for key in ("UID", "GID"):
        if key in volume.options:
            described[key] = int(volume.options[key])
    return described


def _state(config: Config, container: Container, seen: Status) -> dict[str, Any]:
    return {
        "OciVersion": "1.0.2",
        "Status": seen.state,
        "Running": seen.state in ("running", "restarting"),
        "Paused": seen.state == "paused",
        "Restarting": seen.state == "restarting",
        "OOMKilled": seen.oom_killed,
        "Dead": False,
        "Pid": seen.pid,
        "ConmonPid": seen.monitor_pid,
        "ExitCode": seen.exit_code,
        "Error": logged.error(config, container.id),
        "StartedAt": moment(seen.started),
        "FinishedAt": moment(seen.finished),
        "Health": health.observe(config, container) or {"Status": "", "FailingStreak": 0, "Log": None},
        **_checkpointed(config, container.id, running=seen.is_running),
        "CgroupPath": inspect_limits.cgroup_path(config, container.id, seen.pid) if seen.pid else "",
    }


def _checkpointed(config: Config, container_id: str, *, running: bool) -> dict[str, Any]:
    """Return what tells whether the container was saved, or goes on from where it was."""
    record = checkpointed.record_of(config, container_id)
    found: dict[str, Any] = {
        "CheckpointedAt": moment(record["checkpointed"]) if "checkpointed" in record else _NEVER,
        "RestoredAt": moment(record["restored"]) if "restored" in record else _NEVER,
    }
    directory = config.container_dir(container_id)
    if "checkpointed" in record:
        found |= {"Checkpointed": not running, "CheckpointPath": checkpointed.images_path(config, container_id)}
        found["CheckpointLog"] = f"{directory}/dump.log"
    if "restored" in record:
        found |= {"Restored": True, "RestoreLog": f"{directory}/restore.log"}
    return found


def _config(container: Container) -> dict[str, Any]:
    config = container.config
    return {
        "Hostname": config["hostname"],
        "Domainname": "",
        "User": config["user"],
        "AttachStdin": False,
        "AttachStdout": False,
        "AttachStderr": False,
        "Tty": config["tty"],
        "OpenStdin": config["stdin"],
        "StdinOnce": False,
        "Env": [f"{key}={value}" for key, value in ({"HOSTNAME": config["hostname"]} | of_program(config)).items()],
        "Cmd": config["command"],
        **inspect_fields.exposed(config),
        "Image": config["image_name"],
        "Volumes": None,
        "WorkingDir": config["workdir"],
        "Entrypoint": config["entrypoint"] or None,
        "OnBuild": None,
        "Labels": config["labels"],
        "Annotations": config["annotations"],
        **inspect_identity.config(container),
        "StopSignal": values.signal_name(config["stop_signal"]),
        "CreateCommand": config["create_command"],
        "Secrets": [
            {"Name": one["source"], "ID": one["id"], "UID": one["uid"], "GID": one["gid"], "Mode": one["mode"]}
            for one in config["secrets"]
        ],
        "Timeout": config["timeout"],
        "StopTimeout": config["stop_timeout"],
        **health.described(config),
        "sdNotifyMode": config["sdnotify"],
        "SystemdMode": config["systemd"],
    }


def _host_config(engine: Engine, container: Container) -> dict[str, Any]:
    config = container.config
    security = config["security"]
    return {
        **inspect_fields.host_config(config),
        **inspect_identity.host_config(container),
        "Binds": [_bind(mount) for mount in config["mounts"] if mount["type"] != "tmpfs"],
        "LogConfig": logged.inspected(engine, container),
        "RestartPolicy": restart.described(config["restart"]),
        "AutoRemove": container.auto_remove,
        "CapAdd": security["cap_add"],
        "CapDrop": security["cap_drop"],
        "GroupAdd": config["group_add"],
        "Privileged": security["privileged"],
        "ReadonlyRootfs": config["read_only"],
        "Tmpfs": {
            mount["target"]: ",".join(mount["options"]) for mount in config["mounts"] if mount["type"] == "tmpfs"
        },
        "ShmSize": config["shm_size"],
        "Runtime": "oci",
        **inspect_limits.host_config(engine.config, config),
        "Init": bool(config["init_path"]),
    }


def _mount(engine: Engine, mount: dict[str, Any]) -> dict[str, Any]:
    source = mount["source"]
    if mount["type"] == "volume":
        from pod import volumes

        source = volumes.path(engine.config, source)
    options = mount["options"]
    described = {
        "Type": mount["type"],
        "Source": source,
        "Destination": mount["target"],
        "Driver": "local" if mount["type"] == "volume" else "",
        "Mode": "",
        "Options": _plain_options(options),
        "RW": "ro" not in options,
        "Propagation": _propagation(options),
    }
    return {"Type": "volume", "Name": mount["source"], **described} if mount["type"] == "volume" else described


def _bind(mount: dict[str, Any]) -> str:
    """Return what `--volume` would have to say for the mount."""
    options: list[str] = mount["options"]
    words = ["ro" if "ro" in options else "rw", _propagation(options), *_plain_options(options)]
    return f"{mount['source']}:{mount['target']}:{','.join(word for word in words if word)}"


def _plain_options(options: list[str]) -> list[str]:
    return [one for one in options if one not in ("ro", "rw") and one != _propagation(options)]


def _propagation(options: list[str]) -> str:
    return next((one for one in options if one.endswith(("private", "shared", "slave"))), "")


def _add_capabilities(engine: Engine, container: Container, described: dict[str, Any]) -> None:
    from pod.config import DEFAULT_CAPABILITIES
    from pod.containers.security import privileges as security

    config = container.config
    default = engine.config.containers.get("default_capabilities") or DEFAULT_CAPABILITIES
    bounding = security.bounding(config, [security.capability(name) for name in default])  # type: ignore[arg-type]
    is_root = config["user"].partition(":")[0] in ("", "0", "root")
    held = security.capabilities(bounding, config["security"]["cap_add"], uid=0 if is_root else 1)
    # An empty list is null, as in podman.
    described["BoundingCaps"] = sorted(bounding) or None
    described["EffectiveCaps"] = sorted(held["effective"]) or None
