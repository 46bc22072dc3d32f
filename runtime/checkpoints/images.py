"""The images of a checkpoint: where they are, and what CRIU must know of the container to make and to use them.

What a container has from outside is named in the images and given again when they are restored: bind mounts, masked
files, joined namespaces, pipes. The names are those that runc uses, so that each can restore the other's images.
"""

from __future__ import annotations

import posix
from dataclasses import dataclass, field

from runtime import jsontext
from runtime.checkpoints import criu
from runtime.errors import OCIRuntimeError, SpecError
from runtime.kernel import CLONE_NEWNET
from runtime.mounting.mounts import read_mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.checkpoints.criu import Field

DESCRIPTORS = "descriptors.json"
_CGROUP_MODES = {"ignore": 0, "none": 1, "props": 2, "soft": 3, "full": 4, "strict": 5}
_EMPTY_NAMESPACES = {"network": CLONE_NEWNET}
# Namespaces of these kinds CRIU can be told to leave alone: their name in /proc, and their name in the images.
EXTERNAL_NAMESPACES = {"network": ("net", "extRootNetNS"), "pid": ("pid", "extRootPidNS")}
_LOG_LEVEL = 4


@dataclass(frozen=True)
class Settings:
    """What checkpoint and restore have in common."""

    program: str
    image_path: str
    work_path: str
    tcp_established: bool = False
    ext_unix_sk: bool = False
    shell_job: bool = False
    file_locks: bool = False
    link_remap: bool = False
    lazy_pages: bool = False
    auto_dedup: bool = False
    cgroups_mode: str = ""
    empty_namespaces: list[str] = field(default_factory=list)


class Directories:
    """The directories of the images and of CRIU's other files, open as long as it needs them."""

    def __init__(self, settings: Settings, *, make: bool) -> None:
        self.work_path = settings.work_path
        self.fds: list[int] = []
        try:
            for path in (settings.image_path, settings.work_path):
                if make or path == settings.work_path:
                    _make(path)
                self.fds.append(posix.open(path, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC))
        except OSError as error:
            self.close()
            raise OCIRuntimeError(f"open the images `{path}`: {error.strerror}") from error

    def close(self) -> None:
        """Close them."""
        while self.fds:
            posix.close(self.fds.pop())


def _make(path: str) -> None:
    try:
        posix.mkdir(path, 0o700)
    except FileExistsError:
        pass


def options(settings: Settings, directories: Directories, log: str, rootfs: str) -> list[Field]:
    """Return the options that both need."""
    found: list[Field] = [
        (criu.IMAGES_DIR_FD, directories.fds[0]),
        (criu.WORK_DIR_FD, directories.fds[1]),
        (criu.LOG_LEVEL, _LOG_LEVEL),
        (criu.LOG_FILE, log),
        (criu.ROOT, rootfs),
        (criu.NOTIFY_SCRIPTS, True),
        (criu.ORPHAN_PTS_MASTER, True),
        (criu.TCP_ESTABLISHED, settings.tcp_established),
        (criu.EXT_UNIX_SK, settings.ext_unix_sk),
        (criu.SHELL_JOB, settings.shell_job),
        (criu.FILE_LOCKS, settings.file_locks),
        (criu.LINK_REMAP, settings.link_remap),
        (criu.LAZY_PAGES, settings.lazy_pages),
        (criu.AUTO_DEDUP, settings.auto_dedup),
        # Unless asked for, the container's cgroups are not CRIU's business: we make them, and put it in.
        (criu.MANAGE_CGROUPS, True),
        (criu.MANAGE_CGROUPS_MODE, _one_of(_CGROUP_MODES, settings.cgroups_mode or "ignore", "--manage-cgroups-mode")),
    ]
    if not criu.has_iptables():
        found.append((criu.NETWORK_LOCK, criu.NFTABLES))
    empty = 0
    for name in settings.empty_namespaces:
        empty |= _one_of(_EMPTY_NAMESPACES, name, "--empty-ns")
    return [*found, (criu.EMPTY_NS, empty)] if empty else found


def _one_of(values: dict[str, int], name: str, option: str) -> int:
    if name not in values:
        raise SpecError(f"{option} is {', '.join(values)}, not `{name}`")
    return values[name]


def external_mounts(document: dict[str, Any], bundle: str, masked: list[str]) -> dict[str, str]:
    """Return what is mounted from outside, its source by its destination; `masked`: where /dev/null is."""
    binds = {mount.destination: mount.source for mount in read_mounts(document, bundle) if mount.options.bind}
    return {**binds, **dict.fromkeys(masked, "/dev/null")}


def masked_paths(document: dict[str, Any]) -> list[str]:
    """Return what is to be hidden from the container."""
    return (document.get("linux") or {}).get("maskedPaths") or []


def joined_namespaces(document: dict[str, Any]) -> dict[str, str]:
    """Return the paths of the namespaces that the container joined, by kind, and that CRIU can leave alone."""
    entries = (document.get("linux") or {}).get("namespaces") or ()
    return {each["type"]: each["path"] for each in entries if each.get("path") and each["type"] in EXTERNAL_NAMESPACES}


def read_descriptors(directory: str) -> list[str]:
    """Return what the container's standard streams were when it was saved."""
    try:
        with open(f"{directory}/{DESCRIPTORS}", encoding="utf-8") as file:
            names = jsontext.loads(file.read())
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise OCIRuntimeError(f"read `{directory}/{DESCRIPTORS}`: {error}") from error
    return [str(name) for name in names] if isinstance(names, list) else []
