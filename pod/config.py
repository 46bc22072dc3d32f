"""Where things are and what the defaults are: paths of root and rootless, and what containers.conf says.

Source: the XDG base directory specification.
"""

from __future__ import annotations

import posix
from _stat import S_ISDIR

from pod import containers_conf, environ, storage_conf
from pod.errors import PodError
from runtime import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.settings import Settings

DEFAULT_CAPABILITIES = (
    "CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_KILL CAP_NET_BIND_SERVICE CAP_SETFCAP CAP_SETGID "
    "CAP_SETPCAP CAP_SETUID CAP_SYS_CHROOT"
).split()

# Lets root of the container ping without CAP_NET_RAW.
DEFAULT_SYSCTLS = ("net.ipv4.ping_group_range=0 0",)

_FULL_ID_MAP = ["0", "0", "4294967295"]


class Config:
    """What a command needs to know of its surroundings."""

    __slots__ = (
        "cdi_spec_dirs",
        "cgroup_manager",
        "containers",
        "engine",
        "graphroot",
        "home",
        "hooks_dirs",
        "image_stores",
        "layer_limit",
        "layers",
        "network",
        "rootless",
        "runroot",
        "runtime",
        "runtime_flags",
        "uid",
        "user",
    )

    def __init__(self, *, graphroot: str, runroot: str, uid: int, rootless: bool, home: str, user: str) -> None:
        self.graphroot = graphroot
        self.runroot = runroot
        self.uid = uid  # of the invoking user, on the host
        self.rootless = rootless
        self.home = home
        self.user = user
        self.image_stores: list[str] = []  # roots of further stores, to be read only
        self.layer_limit = 0  # what a new layer may inflate to, in bytes; 0: see storage.layers.unpacking
        self.layers = ""  # how new layers are to be kept: see pod.storage_conf
        self.containers: dict[str, Any] = {}
        self.engine: dict[str, Any] = {}
        self.network: dict[str, Any] = {}
        self.runtime = ""  # the OCI runtime of new containers, by name or path; empty for our own
        self.runtime_flags: list[str] = []
        self.cdi_spec_dirs: list[str] = []  # empty for the usual places
        self.hooks_dirs: list[str] = []  # of OCI hooks; empty for the usual places
        self.cgroup_manager = ""  # systemd, cgroupfs, or whichever fits

    def container_dir(self, container_id: str) -> str:
        """Return where the persistent files of a container lie."""
        return f"{self.graphroot}/containers/{container_id}"

    def monitor_dir(self, container_id: str) -> str:
        """Return where the monitor of a container keeps its sockets."""
        return f"{self.runroot}/containers/{container_id}"

    @property
    def runtime_root(self) -> str:
        """Return the root of our own runtime's states."""
        return f"{self.runroot}/runtime"


def load(settings: Settings) -> Config:
    """Return the configuration of the invoking user; makes no directory except a missing private runroot."""
    uid, rootless = _invoking_user()
    home = environ.value("HOME") or _home_of(uid)
    runroot = settings.runroot or _default_runroot(uid, rootless=rootless)
    said = storage_conf.StorageConf()
    if not settings.root:
        said = storage_conf.load(rootless=rootless, home=home, uid=uid, cache=runroot)
        runroot = settings.runroot or said.runroot or runroot
    config = Config(
        graphroot=paths.absolute(settings.root or said.graphroot or _default_graphroot(rootless=rootless, home=home)),
        runroot=paths.absolute(runroot),
        uid=uid,
        rootless=rootless,
        home=home,
        user=environ.value("USER"),
    )
    config.image_stores = storage_conf.image_stores_asked(settings.storage_opt) or said.image_stores
    config.layers = storage_conf.layers_asked(settings.storage_opt) or said.layers
    config.layer_limit = storage_conf.layer_limit_asked(settings.storage_opt) or said.layer_limit
    tables = containers_conf.load(rootless=rootless, home=home, cache=config.runroot)
    config.containers, config.engine, config.network = tables
    if config.network:
        from pod.networks.settings import check_backend

        check_backend(config.network)
    config.runtime = settings.runtime or config.engine.get("runtime") or ""
    config.runtime_flags = settings.runtime_flag or []
    config.cdi_spec_dirs = settings.cdi_spec_dir or config.engine.get("cdi_spec_dirs") or []
    hooks_dirs = settings.hooks_dir or config.engine.get("hooks_dir") or []
    config.hooks_dirs = [paths.absolute(directory) for directory in hooks_dirs]
    config.cgroup_manager = settings.cgroup_manager or config.engine.get("cgroup_manager") or ""
    return config


def _invoking_user() -> tuple[int, bool]:
    uid = posix.geteuid()
    if uid != 0:
        return uid, True
    with open("/proc/self/uid_map", encoding="utf-8") as file:
        mapping = file.read().split()
    if mapping == _FULL_ID_MAP:
        return 0, False
    # Inside `pod unshare`, or another user namespace: 0 is whoever 0 is outside.
    return int(mapping[1]) if len(mapping) >= 3 and mapping[0] == "0" else 0, True


def _home_of(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_dir
    except KeyError:
        return "/"


def _default_graphroot(*, rootless: bool, home: str) -> str:
    if not rootless:
        return "/var/lib/pod"
    data = environ.value("XDG_DATA_HOME") or f"{home}/.local/share"
    return f"{data}/pod"


def _default_runroot(uid: int, *, rootless: bool) -> str:
    if not rootless:
        return "/run/pod"
    candidates = [environ.value("XDG_RUNTIME_DIR"), f"/run/user/{uid}"]
    for directory in candidates:
        if directory and _is_private(directory, uid):
            return f"{directory}/pod"
    # `su -` sets no XDG_RUNTIME_DIR and nobody makes one without a login manager.
    directory = f"/tmp/pod-run-{uid}"
    try:
        posix.mkdir(directory, 0o700)
    except FileExistsError:
        if not _is_private(directory, uid):
            raise PodError(
                f"{directory} is not a directory of user {uid} alone",
                hint=f"remove it, or set XDG_RUNTIME_DIR to a directory that only user {uid} can enter",
            ) from None
    return directory


def _is_private(directory: str, uid: int) -> bool:
    try:
        status = posix.lstat(directory)
    except OSError:
        return False
    # Inside the user's namespace the same owner shows as 0.
    owned = status.st_uid in (uid, posix.geteuid())
    return S_ISDIR(status.st_mode) and owned and not status.st_mode & 0o022
