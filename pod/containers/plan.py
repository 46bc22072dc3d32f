"""All that a monitor needs to make a container, gathered before the fork; and what it does before the program runs."""

from __future__ import annotations

import posix
import sys

from pod import environ, events
from pod.containers import monitor_settings, runtimes
from pod.containers.inside import files, users
from pod.containers.logs import options as log_options
from pod.containers.resources import cgroup_place
from pod.containers.rootfs import overlay as rootfs
from pod.containers.spec import document as spec
from pod.containers.spec.surroundings import observed
from runtime import paths
from runtime.monitor import spawn
from storage import images
from storage.rootfs import lowers as layer_directories

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Protocol

    from pod.config import Config
    from pod.containers.configuration import ContainerConfig
    from pod.containers.mounts.sources import Sources
    from pod.containers.spec.surroundings import Surroundings
    from pod.engine import Engine
    from pod.networks.connecting import Connector
    from pod.networks.pasta import Connector as PastaConnector
    from pod.state import Container
    from runtime.monitor.network import Network
    from runtime.monitor.pasta import Pasta
    from runtime.monitor.resolver import Settings
    from runtime.monitor.spawn import Stdio

    class Creator(Protocol):
        """Who makes the container's process: a runtime, or what restores a checkpoint."""

        def create(
            self,
            container_id: str,
            bundle: str,
            spec: dict[str, Any],
            stdio: Stdio,
            preserve: tuple[int, ...] = (),
            secrets: dict[str, str] | None = None,
        ) -> spawn.Container:
            """Make it from a bundle; `secrets` are variables of it that come into no file."""


# Where hooks are configured if nobody says so; the second is root's alone (podman(1), --hooks-dir).
_HOOKS_DIRS = ("/usr/share/containers/oci/hooks.d", "/etc/containers/oci/hooks.d")


class Plan:
    """All that the monitor needs to make the container, gathered before the fork."""

    def __init__(self, engine: Engine, container: Container, preserve: tuple[int, ...] = ()) -> None:
        self.engine = engine
        self.joined: list[int] = []  # open namespaces of other containers
        self.secret_variables: dict[str, str] | None = None  # of the process, to come into no file
        activated = _activated()
        # Descriptors of the caller that the container's process shall have too.
        self.preserve = tuple(sorted({*range(3, 3 + activated), *preserve}))
        self.container = container
        self.config: ContainerConfig = container.config  # type: ignore[assignment]
        self.directory = engine.config.container_dir(container.id)
        if self.config["cgroups"] == "split":
            cgroup_place.make_room()
        self.surroundings = observed(engine, container.id, self.config)
        self.spec = spec.build(self.config, container.id, self.surroundings)
        if activated:
            # As podman has it, whatever the process is to itself.
            names = environ.value("LISTEN_FDNAMES")
            variables = [f"LISTEN_FDS={activated}", "LISTEN_PID=1"] + [f"LISTEN_FDNAMES={names}"] * bool(names)
            self.spec["process"]["env"] += variables
        if any(self.config["devices"].values()):
            from pod.containers.devices import nodes as devices

            self.config = devices.apply(self.spec, self.config, rootless=engine.config.rootless)
        self.spec_filters = self._add_hooks()
        self.runtime: Creator = runtimes.of(engine.config, container, engine.config.monitor_dir(container.id))
        self.overlay = self._overlay()
        self.sources = self._sources()
        self.connector = self._connector()
        self.reach = self.connector.reach if self.connector else None
        settings = engine.config.containers
        files.write(self.surroundings.files, self.config, settings, name=container.name, reach=self.reach)

    def _add_hooks(self) -> Sequence[Mapping[str, Any]]:
        """Add the hooks that are configured for such a container; most machines have none, and need not load that.

        Return those that are to change the spec.
        """
        directories = hooks_dirs(self.engine.config)
        if not directories:
            return ()
        from pod.containers import hooks

        annotations, has_mounts = self._seen_by_hooks()
        return hooks.add(self.spec, hooks.read(directories), annotations, has_mounts=has_mounts)

    def _seen_by_hooks(self) -> tuple[Mapping[str, str], bool]:
        """Return what conditions of hooks look at: annotations, and whether anything was mounted for the user."""
        return self.spec["annotations"], bool(self.config["mounts"])

    def _sources(self) -> Sources | None:
        """Return what is to be done for sources of mounts; most containers have none, and need not load that."""
        mounts = self.config["mounts"]
        if not self.config["secrets"] and not any(mount["type"] == "volume" or mount.get("more") for mount in mounts):
            return None
        from pod.containers.mounts import sources as mount_sources

        return mount_sources.of(self.engine, self.container, self.surroundings)

    def _connector(self) -> Connector | PastaConnector | None:
        """Return what connects the container to its networks."""
        mode = self.config["namespaces"]["network"]
        if mode == "pasta":
            from pod.networks import pasta

            self.spec["linux"]["sysctl"] = pasta.sysctls() | self.spec["linux"]["sysctl"]
            return pasta.of(self.engine, self.container)
        if mode != "bridge":
            return None
        from pod.networks import connecting

        return connecting.of(self.engine, self.container)

    def _connect(self, pid: int, start_time: int, namespace: str) -> tuple[Network | Pasta, Settings | None]:
        assert self.connector is not None
        return self.connector.connect(pid, start_time, namespace), self.connector.resolver()

    def _overlay(self) -> rootfs.Overlay | None:
        if self.config["rootfs"]:
            from pod.containers.rootfs import foreign as foreign_rootfs

            return foreign_rootfs.overlay(self.engine.config, self.config, self.directory, self.surroundings)
        mappings = self.surroundings.id_mappings
        if mappings is not None and self.config["runtime"] and not self.engine.config.rootless:
            from pod.containers.rootfs import shifted

            shifted.let_in(self.directory, spec.outside(0, mappings[1]))
        return image_overlay(self.engine, self.container, self.surroundings)

    def monitor_config(self) -> spawn.MonitorConfig:
        """Return what the monitor is told."""
        config = monitor_config(self.engine, self.container)
        config.connect = self._connect if self.connector else None
        config.keep_fds = (*self.preserve, *(self.overlay.mapped if self.overlay is not None else ()))
        return config

    def close(self) -> None:
        """Close what the monitor has copies of."""
        for descriptor in self.overlay.mapped if self.overlay is not None else ():
            posix.close(descriptor)

    def create(self, stdio: Stdio) -> spawn.Container:
        """Make the container's process; runs in the monitor, the parent of that process."""
        rootfs.enter_mount_namespace()
        if self.overlay is not None:
            self._mount()
        keep_id = None
        if self.config["namespaces"]["user"].startswith("keep-id"):
            keep_id = keep_id_user(self.engine, self.config)
        if self.joins:
            self._join()
        rootfs.finish_spec(
            self.spec,
            self.config,
            self.surroundings.files,
            keep_id=keep_id,
            keep_name=self.engine.config.user,
            name=self.container.name,
            reach=self.reach,
            settings=self.engine.config.containers,
        )
        if self.sources is not None:
            self.sources.prepare(self.spec)
        self._give_files()
        notifications = self._notifications()
        if self.spec_filters:
            from pod.containers import hooks

            self.spec = hooks.filtered(self.spec, self.spec_filters)
        made = self.runtime.create(
            self.container.id, self.directory, self.spec, stdio, self.preserve, self.secret_variables
        )
        made.notifications = notifications
        if self.overlay is not None:
            rootfs.detach_mapped(self.overlay)
        for descriptor in (*self.preserve, *self.joined):
            posix.close(descriptor)  # or whoever reads at the other end would never see the end
        return made

    @property
    def joins(self) -> bool:
        """Tell whether the container has namespaces in common with others."""
        return any(mode.startswith("container:") for mode in self.config["namespaces"].values())  # type: ignore[attr-defined]

    def _join(self) -> None:
        from pod.containers.namespaces import joins

        self.joined = joins.resolve(self.engine.config, self.spec)
        target = self.surroundings.shared_memory
        donor = self.config["namespaces"]["ipc"].removeprefix("container:")
        if target and not joins.share_memory(self.engine.config, donor, target):
            self.spec["mounts"] = [mount for mount in self.spec["mounts"] if mount["source"] != target]

    def _notifications(self) -> int:
        """Give the container a socket for sd_notify(3), if our service manager listens; return our end, or -1."""
        address = environ.value("NOTIFY_SOCKET")
        if not address or self.config["sdnotify"] != "container":
            return -1
        from runtime import notify

        directory = self.engine.config.monitor_dir(self.container.id)
        notify.remove(directory)
        self.spec["mounts"].append(notify.prepare(directory))
        self.spec["process"]["env"].append(f"NOTIFY_SOCKET={notify.SOCKET}")
        return notify.Proxy(directory, address).detach()

    def _mount(self) -> None:
        assert self.overlay is not None
        rootfs.attach_mapped(self.overlay)
        if self.overlay.is_plain:
            return
        if paths.is_directory(f"{self.directory}/merged"):
            from pod.containers.tree import host_mounts

            if host_mounts.is_mounted(self.engine.config, self.container.id):
                rootfs.bind(f"{self.directory}/merged", self.overlay.target)
                return
        rootfs.adopt_root(self.overlay)
        rootfs.mount_overlay(self.overlay)

    def _give_files(self) -> None:
        """Let the files that we mount belong to root of the container's user namespace."""
        uids, gids = self.surroundings.id_mappings or ([], [])
        root = spec.outside(0, uids), spec.outside(0, gids)
        if self.surroundings.id_mappings is not None:
            files.give(self.surroundings.files, *root)
        if self.config["pod"]["infra"]:
            from pod.pods import infra

            infra.furnish(self.container, *root)


def _activated() -> int:
    """Return how many sockets, from descriptor 3 on, systemd has opened for this process (sd_listen_fds(3))."""
    count = environ.value("LISTEN_FDS")
    if not (count.isascii() and count.isdecimal()) or environ.value("LISTEN_PID") != str(posix.getpid()):
        return 0
    return int(count)


def image_overlay(engine: Engine, container: Container, surroundings: Surroundings) -> rootfs.Overlay:
    """Return the overlay of a container over the layers of its image."""
    image = images.load(engine.store, container.config["image"])
    directories = layer_directories(engine.store, image)
    mapped: list[int] = []
    if surroundings.id_mappings is not None:
        from pod.containers.rootfs import shifted

        directories, mapped = shifted.layers(engine, directories, surroundings.id_mappings)
    return rootfs.Overlay(
        lowers=directories,
        directory=engine.config.container_dir(container.id),
        rootless=engine.config.rootless,
        volatile=container.auto_remove,
        mapped=mapped,
    )


def monitor_config(engine: Engine, container: Container) -> spawn.MonitorConfig:
    """Return what the monitor of a container is told."""
    config, document = engine.config, container.config
    directory = config.container_dir(container.id)
    on_exit = []
    if container.auto_remove:
        on_exit = [*engine_command(engine), "container", "cleanup", container.id]
    if document["pod"]["id"]:
        from pod.pods import exit_policy

        if exit_policy.concerns(engine, container):
            on_exit = [*engine_command(engine), "pod", "settle", document["pod"]["id"], container.id]
    return spawn.MonitorConfig(
        id=container.id,
        directory=config.monitor_dir(container.id),
        terminal=document["tty"],
        stdin=document["stdin"],
        **log_options.for_monitor(engine, container),
        exit_path=f"{directory}/exit",
        events=events.writer(
            config, "container", **events.identity(container), directory=config.monitor_dir(container.id)
        ),
        on_exit=on_exit,
        relaunch=[*engine_command(engine), "container", "relaunch", container.id],
        settings=monitor_settings.at_start(container),
        health=monitor_settings.health(engine, container),
        sleeper=_sleeper() if document["pod"]["infra"] else b"",
    )


def _sleeper() -> bytes:
    """Return what the monitor of an infra container is while nothing happens: a pod is to cost next to nothing."""
    from runtime.monitor import sleeping_program

    return sleeping_program.image()


def keep_id_user(engine: Engine, config: ContainerConfig) -> users.User:
    """Return the user that a container's processes are by default under --userns keep-id."""
    from pod.containers.namespaces import userns

    uid, gid = userns.keep_id_user(engine, config["namespaces"]["user"])
    return users.User(uid, gid, [], engine.config.home, is_listed=False)


def hooks_dirs(config: Config) -> list[str]:
    """Return the directories in which to look for hooks: those that somebody named, else the usual ones that exist."""
    usual = _HOOKS_DIRS[:1] if config.rootless else _HOOKS_DIRS
    return config.hooks_dirs or [directory for directory in usual if paths.is_directory(directory)]


def engine_command(engine: Engine) -> list[str]:
    """Return the beginning of a command line that runs this engine on the same store, from any environment."""
    code = f"import sys; sys.path.insert(0, {package_path()!r}); from pod.__main__ import main; main()"
    config = engine.config
    said = ["--root", config.graphroot, "--runroot", config.runroot, "--events-backend", events.backend(config)]
    if config.cgroup_manager:
        said += ["--cgroup-manager", config.cgroup_manager]
    for directory in config.hooks_dirs:
        said += ["--hooks-dir", directory]
    return [sys.executable, "-I", "-S", "-c", code, *said]


def package_path() -> str:
    """Return the directory that holds our packages."""
    return paths.absolute(f"{__file__}/../../..")
