"""Security labels of a process: an AppArmor profile, entered at the next execve; SELinux is not supported yet.

A label that the configuration names and the host enforces is applied or refused, never dropped in silence; on a host
without that security module there is nothing to enforce, and the name is ignored.
"""

from __future__ import annotations

import posix

from runtime import syscalls
from runtime.errors import OCIRuntimeError
from runtime.kernel import PROC_SUPER_MAGIC

_APPARMOR = "/sys/module/apparmor/parameters/enabled"
_SELINUX = "/sys/fs/selinux/enforce"


def check(profile: str, selinux_label: str, *, apparmor: str = _APPARMOR, selinux: str = _SELINUX) -> str:
    """Return the AppArmor profile to enter, empty for none; refuse what this runtime cannot enforce."""
    if selinux_label and posix.access(selinux, posix.F_OK):
        raise OCIRuntimeError(
            f"SELinux label `{selinux_label}`: not supported yet", hint="use --security-opt label=disable"
        )
    if not profile or profile == "unconfined" or "\0" in profile:
        return ""
    try:
        with open(apparmor, "rb", buffering=0) as file:
            return profile if file.read(1) == b"Y" else ""
    except OSError:
        return ""


def open_proc() -> int:
    """Open the host's /proc, to be used when the container's is all that is left; make sure that it is procfs."""
    fd = syscalls.open_directory("/proc")
    if syscalls.filesystem_type(fd) != PROC_SUPER_MAGIC:
        posix.close(fd)
        raise OCIRuntimeError("/proc is not a procfs")
    return fd


def enter_at_execve(proc: int, profile: str) -> None:
    """Ask for an AppArmor profile at the next execve of this process (CVE-2025-52881: on the host's procfs, by fd)."""
    for name in ("self/attr/apparmor/exec", "self/attr/exec"):
        try:
            fd = posix.open(name, posix.O_WRONLY | posix.O_CLOEXEC, dir_fd=proc)
        except FileNotFoundError:
            continue
        try:
            posix.write(fd, f"exec {profile}".encode())
        except OSError as error:
            raise OCIRuntimeError(f"enter the AppArmor profile `{profile}`: {error.strerror}") from error
        finally:
            posix.close(fd)
        return
    raise OCIRuntimeError(f"enter the AppArmor profile `{profile}`: the kernel has no place to ask for it")
