"""Creating a container: what the user asks for and what the image says become one configuration."""

from __future__ import annotations

import posix
import time

from pod import names, state, values
from pod.containers import inserting, restart, runtimes
from pod.containers.configuration import DEFAULTS, labels
from pod.containers.inside import environment
from pod.containers.logs import options as log_options
from pod.containers.resources import cgroup_place
from pod.containers.security import options as security_options
from pod.errors import PodError
from pod.lock import ContainerLock
from runtime import jsontext, process
from storage import reserve, rootfs
from storage.store import boot_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from typing import Any

    from pod.containers.configuration import (
        Confinement,
        ContainerConfig,
        Devices,
        Identity,
        Namespaces,
        NetworkSettings,
        Storage,
    )
    from pod.containers.health.checks import HealthConfig
    from pod.containers.inside.environment import Variables
    from pod.containers.mounts.mount import Mount
    from pod.containers.namespaces.userns import AutoRequest, MapFlags
    from pod.engine import Engine
    from pod.networks.flags import NetworkRequest
    from pod.networks.network import Place
    from pod.pods.configuration import Membership
    from storage.images import Image

DEFAULT_PIDS_LIMIT = 2048
DEFAULT_SHM_SIZE = 64 << 20
DEFAULT_STOP_TIMEOUT = 10
_INIT = ("/sbin/init", "/usr/sbin/init", "/usr/local/sbin/init")


class CreateOptions:
    """What a user may ask for when a container is created; None means: the image or the default decides."""

    def __init__(self) -> None:
        self.image: Image | None = None
        self.image_name = ""
        self.rootfs = ""
        self.command: list[str] = []
        self.entrypoint: list[str] | None = None
        self.name = ""
        self.env: dict[str, str] = {}
        self.user: str | None = None
        self.group_add: list[str] = []
        self.workdir: str | None = None
        self.hostname = ""
        self.tty = False
        self.stdin = False
        self.mounts: list[Mount] = []
        self.volumes_from: list[str] = []
        self.image_volume = "bind"
        self.storage: Storage = {"read_only_tmpfs": True, "chrootdirs": [], "shm_size_systemd": 0}
        self.secrets: list[dict[str, Any]] = []
        self.read_only = False
        self.init_path = ""
        # Empty: containers.conf or the default decides.
        self.namespaces: Namespaces = {"network": "", "pid": "", "ipc": "", "uts": "", "cgroup": "", "user": ""}
        self.id_map_flags: MapFlags | None = None
        self.auto_ids: AutoRequest | None = None  # of --userns=auto, until the IDs are chosen
        self.variables: Variables | None = None  # what is said of the environment beyond --env
        self.network: NetworkRequest | None = None  # what is said of networks beyond none and host
        self.networks: list[
            tuple[str, Place]
        ] = []  # by name, empty for the default one; settled by pod.networks.choice
        self.identity: dict[str, Any] = {}  # keys of configuration.Identity that were asked for
        self.confinement: dict[str, Any] = {}  # keys of configuration.Confinement
        self.privileged = False
        self.no_new_privileges = False
        self.cap_add: list[str] = []
        self.cap_drop: list[str] = []
        self.cgroups = ""  # enabled, disabled, no-conmon or split; empty: containers.conf decides
        self.cgroup_parent = ""
        self.devices: Devices | None = None
        self.security_options: list[str] = []
        self.ulimits: list[tuple[str, int, int]] | None = None
        self.oom_score_adj: int | None = None
        self.resources: dict[str, Any] = {}
        self.pids_limit: int | None = None
        self.shm_size = DEFAULT_SHM_SIZE
        self.labels: dict[str, str] = {}
        self.annotations: dict[str, str] = {}
        self.stop_signal: int | None = None
        self.stop_timeout = DEFAULT_STOP_TIMEOUT
        self.restart = restart.DEFAULT
        self.health: dict[str, Any] = {}  # what the flags on health checks say
        self.timeout = 0
        self.sdnotify = "container"
        self.systemd = "true"  # false, always, or true for a command that is known to be systemd
        self.log_driver = ""  # the default
        self.log_options: dict[str, list[str]] = {}
        self.detach_keys = ""
        self.auto_remove = False
        self.remove_image = False  # with the container, if it is removed at its end
        self.owned_by_command = False  # `run --rm`: nothing may remain if the command dies before the start
        self.create_command: list[str] = []
        self.warnings: list[str] = []  # to be told to the user once the container is there
        self.id = ""  # of the container, if somebody has to know it before
        self.pod: Membership = DEFAULTS["pod"]
        # Further rows of the container, in the transaction that inserts it.
        self.record: Callable[[sqlite3.Connection, state.Container], None] | None = None
        self.needs: list[str] = []  # full IDs of the containers without which this one cannot run


def create(engine: Engine, options: CreateOptions) -> state.Container:
    """Create a container and return it; nothing is left behind if that fails. Raises NameInUseError."""
    reserve.check(engine.store, "create container")
    container_id = options.id or names.new_id()
    config = configure(engine, options, container_id)
    name = names.check_name(options.name) if options.name else ""
    creator = f"{posix.getpid()} {process.start_time(posix.getpid())} {boot_id()}" if options.owned_by_command else ""
    row = (container_id, name, config["image"], time.time(), int(options.auto_remove), creator, jsontext.dumps(config))
    with ContainerLock(engine.config, container_id):
        return inserting.insert(
            engine,
            state.Container(row),
            needs=options.needs,
            auto_ids=options.auto_ids,
            networks=options.networks,
            record=options.record,
        )


def configure(engine: Engine, options: CreateOptions, container_id: str) -> ContainerConfig:
    """Merge what was asked for with what the image says and with the defaults."""
    image = options.image
    image_config: dict[str, Any] = {}
    if image is not None:
        rootfs.lowers(engine.store, image)  # says now rather than at the start that a layer is damaged
        image_config = jsontext.loads(image.config).get("config") or {}
    entrypoint, command = _program(options, image_config)
    systemd = _is_systemd(options.systemd, entrypoint + command)
    mounts = _mounts(engine, options, image_config)
    cgroups = options.cgroups or engine.config.containers.get("cgroups") or "enabled"
    pids_limit = _pids_limit(engine, options)
    _settle_limits(engine, options)
    log_driver, log = log_options.settle(engine.config, options)
    if cgroups == "disabled":
        _check_no_cgroups(options)
    elif options.resources and engine.config.rootless:
        _drop_limits(options)
    modes = _namespaces(engine, options)
    privileges = security_options.settle(engine.config.containers, options)
    servers = engine.config.containers.get("dns_servers")
    ports, network = _network(options, modes, image_config, servers)
    identity, confinement = _sections(engine, options, modes, image_config)
    config: ContainerConfig = {
        "image": image.id if image is not None else "",
        "image_name": options.image_name,
        "layers": list(image.layers) if image is not None else [],
        "rootfs": options.rootfs,
        "entrypoint": entrypoint,
        "command": command,
        "env": environment.compose(
            environment.of_image(image_config), options.env, options.variables, engine.config.containers
        ),
        "user": options.user if options.user is not None else image_config.get("User") or "",
        "group_add": options.group_add,
        "workdir": options.workdir or image_config.get("WorkingDir") or "/",
        "hostname": options.hostname or _default_hostname(modes, container_id),
        "tty": options.tty,
        "stdin": options.stdin,
        "mounts": [mount.to_document() for mount in mounts],
        "storage": options.storage,
        "secrets": _secrets(engine, options),
        "read_only": options.read_only,
        "init_path": options.init_path or _default_init(engine),
        "namespaces": modes,
        "id_map": None,
        "identity": identity,
        "security": privileges,
        "confinement": confinement,
        "ulimits": options.ulimits or [],
        "oom_score_adj": options.oom_score_adj,
        "resources": options.resources,
        "pids_limit": pids_limit,
        "shm_size": options.shm_size,
        "labels": labels(image_config.get("Labels") or {}, options.labels),
        "annotations": _annotations(engine) | options.annotations,
        "stop_signal": options.stop_signal
        or values.parse_signal(image_config.get("StopSignal") or ("SIGRTMIN+3" if systemd else "SIGTERM")),
        "stop_timeout": options.stop_timeout,
        "restart": options.restart,
        "health": _health(options, image_config),
        "timeout": options.timeout,
        "sdnotify": options.sdnotify,
        "systemd": systemd,
        "log_driver": log_driver,
        "log": log,
        "runtime": runtimes.choose(engine.config, cgroups=cgroups != "disabled"),
        "cgroups": "default" if cgroups == "enabled" else cgroups,
        "cgroup_parent": options.cgroup_parent,
        "devices": _devices(engine, options),
        "detach_keys": options.detach_keys,
        "ports": ports,
        "network": network,
        "rmi": options.remove_image,
        "create_command": options.create_command,
        "pod": options.pod,
    }
    if (
        options.id_map_flags
        or modes["user"]
        or "userns" in engine.config.containers
        or b"PODMAN_USERNS" in posix.environ
    ):
        from pod.containers.namespaces import userns

        userns.settle(engine, options, config)
    modes["user"] = modes["user"] or "host"
    if options.resources or options.cgroup_parent or cgroups == "split":
        cgroup_place.cgroups_path(engine, container_id, config)  # says now what could not be had at the start
    return config


def _mounts(engine: Engine, options: CreateOptions, image_config: dict[str, Any]) -> list[Mount]:
    settings = engine.config.containers
    configured = settings.get("volumes") or settings.get("mounts")
    if not (options.mounts or options.volumes_from or image_config.get("Volumes") or configured):
        return []
    from pod.containers.mounts import choice as mount_choice

    return mount_choice.choose(engine, options, image_config)


_PRIVATE: Namespaces = {
    "network": "none",
    "pid": "private",
    "ipc": "shareable",
    "uts": "private",
    "cgroup": "private",
    "user": "",
}


def _namespaces(engine: Engine, options: CreateOptions) -> Namespaces:
    """Return the modes, by the module that knows them all only if any other than those of most containers is said."""
    settings = engine.config.containers
    network = options.namespaces["network"]
    if network not in ("none", "host") or options.network is not None:
        from pod.networks import choice

        network = options.namespaces["network"] = choice.settle(engine, options)
    plain = ":" not in network and not any(mode for kind, mode in options.namespaces.items() if kind != "network")
    if plain and not any(f"{kind}ns" in settings for kind in _PRIVATE if kind != "network"):
        return {**_PRIVATE, "network": network}
    from pod.containers.namespaces import choice as namespaces

    return namespaces.settle(engine, options)


def _sections(
    engine: Engine, options: CreateOptions, modes: Namespaces, image_config: dict[str, Any]
) -> tuple[Identity, Confinement]:
    """Return what flags, containers.conf and the image say of the process's looks and of what holds it in."""
    settings = engine.config.containers
    identity: Any = DEFAULTS["identity"] | options.identity
    confinement: Any = DEFAULTS["confinement"] | options.confinement
    if not settings.keys().isdisjoint(("umask", "tz", "base_hosts_file", "no_hosts")):
        from pod.containers.inside import identities

        identity.update(identities.from_settings(settings, options.identity))
    if confinement["sysctls"]:
        from pod.containers.namespaces import sysctls

        sysctls.check(confinement["sysctls"], modes)
    if confinement["seccomp_policy"] == "image":
        confinement["seccomp_profile"] = (image_config.get("Labels") or {}).get(security_options.PROFILE_LABEL, "")
    return identity, confinement


def _network(
    options: CreateOptions, modes: Namespaces, image_config: dict[str, Any], servers: object
) -> tuple[list[dict[str, Any]], NetworkSettings]:
    """Return what is published, and what the flags on the network, and containers.conf's `dns_servers`, come to."""
    exposed = image_config.get("ExposedPorts")
    ports: list[dict[str, Any]] = []
    settings: NetworkSettings = DEFAULTS["network"]
    if options.network is not None or exposed:
        from pod.networks import choice

        ports, settings = choice.publish(options, modes["network"], exposed or {})
    if servers == ["none"] and not settings["dns_servers"]:
        settings = {**settings, "resolv_conf": False}
    return ports, settings


def _default_hostname(modes: Namespaces, container_id: str) -> str:
    """Return the host's name for a container that has its network, else the short ID."""
    return posix.uname().nodename if "host" in (modes["uts"], modes["network"]) else container_id[:12]


def _default_init(engine: Engine) -> str:
    """Return the init program that containers.conf asks for."""
    if not engine.config.containers.get("init"):
        return ""
    from pod.containers.inside import identities

    return identities.find_init(str(engine.config.containers.get("init_path") or ""))


def _annotations(engine: Engine) -> dict[str, str]:
    return dict(
        values.parse_pair(str(item), "annotation") for item in engine.config.containers.get("annotations") or ()
    )


def _devices(engine: Engine, options: CreateOptions) -> Devices:
    wanted: Devices = {**(options.devices or DEFAULTS["devices"])}
    more = engine.config.containers.get("devices")
    if options.devices is not None or more:
        from pod.containers.devices import nodes as devices

        wanted["host"] = [*map(devices.parse, more or ()), *wanted["host"]]
        wanted["cdi_dirs"] = engine.config.cdi_spec_dirs
        devices.check(wanted, rootless=engine.config.rootless)
    return wanted


def _settle_limits(engine: Engine, options: CreateOptions) -> None:
    asked = options.resources or options.oom_score_adj is not None
    if asked or not engine.config.containers.keys().isdisjoint(("default_ulimits", "oom_score_adj", "cgroup_conf")):
        from pod.containers.resources import limits

        limits.settle(engine.config, options)


def _drop_limits(options: CreateOptions) -> None:
    """Go on without limits where no ordinary user has any, and say so."""
    from pod.containers.resources import limits

    limits.drop_on_v1(options)


def _secrets(engine: Engine, options: CreateOptions) -> list[dict[str, Any]]:
    if not options.secrets:
        return []
    from pod import secrets

    return secrets.resolve(engine, options.secrets)


def _health(options: CreateOptions, image_config: dict[str, Any]) -> HealthConfig | None:
    if not options.health and not image_config.get("Healthcheck"):
        health = None
    else:
        from pod.containers.health import flags as health_flags

        health = health_flags.configure(options.health, image_config)
    if options.sdnotify == "healthy" and (health is None or health["check"]["test"] == ["NONE"]):
        raise PodError("invalid config provided: sdnotify policy healthy requires a healthcheck to be set")
    return health


def _program(options: CreateOptions, image_config: dict[str, Any]) -> tuple[list[str], list[str]]:
    entrypoint = image_config.get("Entrypoint") or []
    command = options.command or image_config.get("Cmd") or []
    if options.entrypoint is not None:
        # A new entrypoint makes the image's command meaningless, as in docker and podman.
        entrypoint, command = options.entrypoint, options.command
    if not entrypoint and not command:
        raise PodError(
            "no command or entrypoint provided, and no CMD or ENTRYPOINT from image",
            hint="name the program to run after the image",
        )
    return list(entrypoint), list(command)


def _is_systemd(wanted: str, words: list[str]) -> bool:
    """Tell whether the program gets what systemd needs as process 1: by --systemd, or by its name, as in podman."""
    program = words[2] if len(words) > 2 and words[:2] == ["/bin/sh", "-c"] else words[0]
    return wanted == "always" or (wanted == "true" and (program in _INIT or program.rpartition("/")[2] == "systemd"))


def _check_no_cgroups(options: CreateOptions) -> None:
    if options.resources or (options.pids_limit or 0) > 0:
        raise PodError("cannot set resource limits when cgroups are disabled", hint="leave out --cgroups=disabled")


def _pids_limit(engine: Engine, options: CreateOptions) -> int:
    limit = options.pids_limit
    if limit is None:
        limit = int(engine.config.containers.get("pids_limit", DEFAULT_PIDS_LIMIT))
    elif limit > 0 and engine.config.rootless:
        options.resources.setdefault("pids", {"limit": limit})
    return max(limit, 0)
