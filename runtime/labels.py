"""Security labels: an AppArmor profile and an SELinux label for the process, an SELinux label for file systems, keys.

A label that the configuration names and the host enforces is applied, or the container does not start; on a host
without that security module there is nothing to enforce, and the name is ignored, as runc and crun do.
"""

from __future__ import annotations

import posix

from runtime import procfs
from runtime.errors import OCIRuntimeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_APPARMOR = "/sys/module/apparmor/parameters/enabled"
_SELINUX = "/sys/fs/selinux/enforce"


class Labels:
    """What a process is to be labelled with; empty for what is not asked for or not enforced here."""

    __slots__ = ("apparmor", "selinux")

    def __init__(self, apparmor: str, selinux: str) -> None:
        self.apparmor = apparmor
        self.selinux = selinux

    def __bool__(self) -> bool:
        return bool(self.apparmor or self.selinux)

    def enter_at_execve(self, proc: int) -> None:
        """Ask for the labels at the next execve of this process; `proc` is the host's procfs (CVE-2025-52881)."""
        if self.apparmor:
            places = ("self/attr/apparmor/exec", "self/attr/exec")
            _write(proc, places, f"exec {self.apparmor}", f"enter the AppArmor profile `{self.apparmor}`")
        if self.selinux:
            _write(proc, ("self/attr/exec",), self.selinux, f"take the SELinux label `{self.selinux}`")

    def label_keys(self, proc: int, on: bool) -> None:
        """Give keys that this process makes the label of the container's process, or (off) no longer."""
        if self.selinux:
            value = self.selinux if on else "\0"
            _write(proc, ("self/attr/keycreate",), value, f"label keys with `{self.selinux}`")


def read_labels(process: dict[str, Any], *, apparmor: str = _APPARMOR, selinux: str = _SELINUX) -> Labels:
    """Return the labels of a process's configuration that this host enforces."""
    profile = process.get("apparmorProfile") or ""
    label = process.get("selinuxLabel") or ""
    if profile == "unconfined" or (profile and not _has_apparmor(apparmor)):
        profile = ""
    return Labels(profile, label if label and has_selinux(selinux) else "")


def _has_apparmor(path: str) -> bool:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(1) == b"Y"
    except OSError:
        return False


def has_selinux(path: str = _SELINUX) -> bool:
    """Tell whether SELinux is at work here."""
    return posix.access(path, posix.F_OK)


def _write(proc: int, names: tuple[str, ...], value: str, doing: str) -> None:
    for name in names:
        try:
            procfs.write(proc, name, value.encode())
        except OSError as error:
            if isinstance(error, FileNotFoundError) and error.filename:
                continue  # this place is missing; without a file's name it is the label that is not known
            raise OCIRuntimeError(f"{doing}: {error.strerror}") from error
        return
    raise OCIRuntimeError(f"{doing}: the kernel has no place to ask for it")
