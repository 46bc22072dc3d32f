"""Starting a container: its spec, its monitor, and what the monitor does before the program runs."""

from __future__ import annotations

import os
import sys
import time

from pod import create, rootfs, rootless, runtimes, spec, state, status, systemd, users, volumes
from pod.config import DEFAULT_CAPABILITIES, DEFAULT_SYSCTLS
from pod.errors import ContainerNotFoundError, PodError, StateError
from pod.lock import ContainerLock
from runtime.errors import OCIRuntimeError
from runtime.monitor import spawn
from storage import gc, images
from storage.rootfs import lowers as layer_directories
from storage.store import boot_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pod.container_config import ContainerConfig
    from pod.engine import Engine
    from pod.state import Container
    from runtime.monitor.spawn import MonitorLink, Stdio

_HOSTS = "127.0.0.1\tlocalhost localhost.localdomain\n::1\tlocalhost ip6-localhost ip6-loopback\n"


def launch(
    engine: Engine,
    container: Container,
    console_size: tuple[int, int] = (0, 0),
    meanwhile: Callable[[], None] | None = None,
) -> MonitorLink:
    """Create the container's process and return the link to its monitor; `start` on it lets the program run.

    `console_size` is the height and width of the terminal that the container gets with --tty; `meanwhile` is called
    while the monitor is at work.

    Raises what kept the process from being made; then nothing of it is left.
    """
    with ContainerLock(engine.config, container.id):
        if not state.has_container(engine.connection, container.id):
            raise ContainerNotFoundError(container.id)  # another command has removed it meanwhile
        seen = status.observe(engine.config, container.id)
        if seen.is_running:
            raise StateError(f"container {container.id} is running already: container state improper")
        create.make_directories(engine, container.id)
        clear(engine, container.id)
        plan = _Plan(engine, container)
        spec.set_console_size(plan.spec["process"], console_size)
        runtimes.note(engine.config, container, plan.surroundings.cgroups_path)
        try:
            link = spawn.spawn(plan.monitor_config(), plan.create, meanwhile)
        except OCIRuntimeError as error:
            clear(engine, container.id)  # a monitor that was killed may have left a process
            rootless.explain_single_id(engine.config, error)
            raise
        _write(f"{plan.directory}/started", f"{time.time():.9f} {boot_id()}\n")
        return link


def start(engine: Engine, link: MonitorLink) -> None:
    """Let the program run. Raises what kept it from being executed; then nothing of it is left."""
    try:
        link.start()
    except OCIRuntimeError as error:
        rootless.explain_single_id(engine.config, error)
        raise


def remove_if_ended(engine: Engine, container: Container) -> None:
    """Remove a `--rm` container that ended before this command detached: its monitor left that to us.

    To be called after detaching. The record is written before the monitor looks who is there, so nothing slips through.
    """
    if container.auto_remove and status.exit_record(engine.config, container.id) is not None:
        from pod import remove

        remove.remove_container(engine, container, volumes=True)


def clear(engine: Engine, container_id: str) -> None:
    """Remove what an earlier run of the container left: records, sockets, runtime state."""
    config = engine.config
    directory = config.container_dir(container_id)
    for name in ("exit", "started"):
        try:
            os.unlink(f"{directory}/{name}")
        except FileNotFoundError:
            pass
    runtimes.delete(config, container_id)
    monitor_dir = config.monitor_dir(container_id)
    try:
        os.mkdir(monitor_dir, 0o700)
    except FileExistsError:
        gc.remove_tree(monitor_dir)
        os.mkdir(monitor_dir, 0o700)


def surroundings(engine: Engine, container_id: str, config: ContainerConfig) -> spec.Surroundings:
    """Return what the spec of a container depends on beside its own configuration."""
    directory = engine.config.container_dir(container_id)
    mode = config["namespaces"]["user"]
    mappings = None
    if mode.startswith("keep-id"):
        mappings = create.id_mappings(create.keep_id_user(engine, mode))
    settings = engine.config.containers
    default = settings.get("default_capabilities") or DEFAULT_CAPABILITIES
    sysctls = [item.partition("=") for item in settings.get("default_sysctls", DEFAULT_SYSCTLS)]
    return spec.Surroundings(
        rootfs=config["rootfs"] or f"{directory}/rootfs",
        files=f"{directory}/files",
        volumes=f"{engine.config.graphroot}/volumes",
        rootless=engine.config.rootless,
        cgroups_path=_cgroups_path(engine, container_id, config),
        id_mappings=mappings,
        default_capabilities=[create.capability(name) for name in default],
        host_has_mqueue=os.path.isdir("/dev/mqueue"),
        default_sysctls={key.strip(): value.strip() for key, _, value in sysctls},
    )


def keep_id_user(engine: Engine, config: ContainerConfig) -> users.User:
    """Return the user that a container's processes are by default under --userns keep-id."""
    uid, gid = create.keep_id_user(engine, config["namespaces"]["user"])
    return users.User(uid, gid, [], engine.config.home, is_listed=False)


class _Plan:
    """All that the monitor needs to make the container, gathered before the fork."""

    def __init__(self, engine: Engine, container: Container) -> None:
        self.engine = engine
        self.container = container
        self.config: ContainerConfig = container.config  # type: ignore[assignment]
        self.directory = engine.config.container_dir(container.id)
        self.surroundings = surroundings(engine, container.id, self.config)
        self.spec = spec.build(self.config, container.id, self.surroundings)
        self.runtime = runtimes.of(engine.config, container, engine.config.monitor_dir(container.id))
        self.overlay = self._overlay()
        self._write_files()

    def _overlay(self) -> rootfs.Overlay | None:
        if self.config["rootfs"]:
            return None
        engine = self.engine
        image = images.load(engine.store, self.config["image"])
        if self.surroundings.id_mappings is not None:
            from storage import remap

            directories = remap.lowers(engine.store, image, *self.surroundings.id_mappings)
        else:
            directories = layer_directories(engine.store, image)
        return rootfs.Overlay(
            lowers=directories,
            directory=self.directory,
            rootless=engine.config.rootless,
            volatile=self.container.auto_remove,
        )

    def monitor_config(self) -> spawn.MonitorConfig:
        config = self.engine.config
        on_exit = []
        if self.container.auto_remove:
            on_exit = [*engine_command(self.engine), "container", "cleanup", self.container.id]
        return spawn.MonitorConfig(
            id=self.container.id,
            directory=config.monitor_dir(self.container.id),
            terminal=self.config["tty"],
            stdin=self.config["stdin"],
            log_driver=self.config["log_driver"],
            log_path=f"{self.directory}/ctr.log",
            exit_path=f"{self.directory}/exit",
            on_exit=on_exit,
        )

    def create(self, stdio: Stdio) -> spawn.Container:
        """Make the container's process; runs in the monitor, the parent of that process."""
        rootfs.enter_mount_namespace()
        if self.overlay is not None:
            self._mount()
        keep_id = None
        if self.config["namespaces"]["user"].startswith("keep-id"):
            keep_id = keep_id_user(self.engine, self.config)
        rootfs.finish_spec(
            self.spec, self.config, self.surroundings.files, keep_id=keep_id, keep_name=self.engine.config.user
        )
        self._copy_up()
        return self.runtime.create(self.container.id, self.directory, self.spec, stdio)

    def _mount(self) -> None:
        assert self.overlay is not None
        status_of_root = os.stat(self.overlay.lowers[0])
        os.chown(self.overlay.upper, status_of_root.st_uid, status_of_root.st_gid)
        os.chmod(self.overlay.upper, status_of_root.st_mode & 0o7777)
        rootfs.mount_overlay(self.overlay)

    def _copy_up(self) -> None:
        wanted = [mount for mount in self.config["mounts"] if mount["type"] == "volume" and mount["copy"]]
        if not wanted:
            return
        root = os.open(self.surroundings.rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        user, mappings = self.spec["process"]["user"], self.surroundings.id_mappings or ([], [])
        owner = spec.outside(user["uid"], mappings[0]), spec.outside(user["gid"], mappings[1])
        try:
            for mount in wanted:
                volumes.copy_up(root, mount["target"], volumes.path(self.engine.config, mount["source"]), owner)
        finally:
            os.close(root)

    def _write_files(self) -> None:
        files = self.surroundings.files
        hostname = self.config["hostname"]
        hosts = _HOSTS
        if self.config["namespaces"]["network"] == "host":
            hosts = _read("/etc/hosts") or _HOSTS
        if hostname not in hosts.split():
            hosts += f"127.0.0.1\t{hostname} {self.container.name}\n"
        _write(f"{files}/hosts", hosts)
        _write(f"{files}/hostname", f"{hostname}\n")
        _write(f"{files}/containerenv", "")
        _write(f"{files}/resolv.conf", _read("/etc/resolv.conf"))


def engine_command(engine: Engine) -> list[str]:
    """Return the beginning of a command line that runs this engine on the same store, from any environment."""
    code = f"import sys; sys.path.insert(0, {package_path()!r}); from pod.__main__ import main; main()"
    config = engine.config
    return [sys.executable, "-I", "-S", "-c", code, "--root", config.graphroot, "--runroot", config.runroot]


def package_path() -> str:
    """Return the directory that holds our packages."""
    return os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def _cgroups_path(engine: Engine, container_id: str, config: ContainerConfig) -> str:
    if config.get("cgroups") == "disabled":
        return ""
    if systemd.bus(engine.config):
        return systemd.cgroups_path(engine.config, container_id)
    if not engine.config.rootless:
        return f"/pod-{container_id}"
    from pod.delegation import rootless_cgroup

    parent = rootless_cgroup()
    if parent:
        return f"{parent}/pod-{container_id}"
    if config["resources"]:
        limits = ", ".join(sorted(config["resources"]))
        raise PodError(
            f"cannot limit {limits}: no cgroup is delegated to user {engine.config.uid}",
            hint="limits for rootless containers need cgroup v2 and a systemd user session, or run as root",
        )
    return ""


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        os.fchmod(file.fileno(), 0o644)  # whatever the umask is: any user of the container reads it
        file.write(text)
