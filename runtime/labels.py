"""Security labels of a process: an AppArmor profile, entered at the next execve; SELinux is not supported yet.

A label that the configuration names and the host enforces is applied or refused, never dropped in silence; on a host
without that security module there is nothing to enforce, and the name is ignored.
"""

from __future__ import annotations

import posix

from runtime import procfs
from runtime.errors import OCIRuntimeError

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


def enter_at_execve(proc: int, profile: str) -> None:
    """Ask for an AppArmor profile at the next execve of this process, on the host's procfs."""
    for name in ("self/attr/apparmor/exec", "self/attr/exec"):
        try:
            procfs.write(proc, name, f"exec {profile}".encode())
        except FileNotFoundError:
            continue
        except OSError as error:
            raise OCIRuntimeError(f"enter the AppArmor profile `{profile}`: {error.strerror}") from error
        return
    raise OCIRuntimeError(f"enter the AppArmor profile `{profile}`: the kernel has no place to ask for it")
