"""Who the container's process is: user, groups, capabilities, no_new_privs, and when the seccomp filter comes."""

from __future__ import annotations

import posix
from errno import EINVAL, EPERM

from runtime import capabilities, syscalls
from runtime.errors import IdNotMappedError, OCIRuntimeError
from runtime.kernel import PR_SET_KEEPCAPS, PR_SET_NO_NEW_PRIVS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.seccomp.listener import Listener
    from runtime.spec import Process


class Filter:
    """A compiled seccomp filter; `program` is empty when there is none."""

    __slots__ = ("allows_execveat", "flags", "listener", "program")

    def __init__(self, program: bytes = b"", flags: int = 0, *, allows_execveat: bool = True) -> None:
        self.program = program
        self.flags = flags
        self.allows_execveat = allows_execveat
        self.listener: Listener | None = None

    def fds(self) -> list[int]:
        """Return the descriptors that are needed until the filter is loaded."""
        return self.listener.fds() if self.listener else []

    def close(self) -> None:
        """Close the parent's copies of what the process was given."""
        if self.listener:
            self.listener.close()

    def load(self) -> None:
        """Put this process under the filter; its listener is sent by the twin that waits for it."""
        if self.listener:
            self.listener.announce()
        syscalls.seccomp_set_filter(self.program, self.flags)


def loads_before_capabilities(process: Process, seccomp: Filter) -> bool:
    """Tell whether the filter needs CAP_SYS_ADMIN: then it is loaded before the capabilities go (seccomp(2))."""
    return bool(seccomp.program) and not process.no_new_privileges


def allows(profile: dict[str, object], name: str) -> bool:
    """Tell whether a seccomp profile lets a system call pass, without arguments considered (pure)."""
    syscall_rules = profile.get("syscalls")
    for rule in syscall_rules if isinstance(syscall_rules, list) else ():
        if name in (rule.get("names") or ()) and not rule.get("args"):
            return rule.get("action") in ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG")
    return profile.get("defaultAction") in ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG")


def take(process: Process, seccomp: Filter) -> None:
    """Become the user that the configuration names. Nothing of the former privileges can be had back."""
    doing = "load the seccomp filter"
    become = f"become user {process.uid}:{process.gid}"
    try:
        if loads_before_capabilities(process, seccomp):
            seccomp.load()
        doing = "drop capabilities from the bounding set"
        capabilities.drop_bounding(process.capabilities.bounding)
        doing = become
        syscalls.prctl(PR_SET_KEEPCAPS, 1)
        if not process.keep_groups:
            _set_groups(process.additional_gids)
        posix.setresgid(process.gid, process.gid, process.gid)
        posix.setresuid(process.uid, process.uid, process.uid)
        doing = "set the capabilities"
        capabilities.apply(process.capabilities)
        syscalls.prctl(PR_SET_KEEPCAPS, 0)
        if process.no_new_privileges:
            syscalls.prctl(PR_SET_NO_NEW_PRIVS, 1)
    except OSError as error:
        if error.errno == EINVAL and doing == become:
            hint = "is the ID mapped in the container's user namespace?"
            raise IdNotMappedError(f"{doing}: {error.strerror}", hint=hint) from error
        raise OCIRuntimeError(f"{doing}: {error.strerror}") from error


def _set_groups(groups: list[int]) -> None:
    """Set the supplementary groups, always: those of the caller must not stay (CVE-2022-2989)."""
    try:
        posix.setgroups(groups)
    except OSError as error:
        # A user namespace with a single mapping has given up setgroups(2): there are no groups to gain or to lose.
        if error.errno != EPERM or groups:
            raise
