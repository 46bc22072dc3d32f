"""Capability sets: from their names to the kernel's bits, and into the process (capabilities(7))."""

from __future__ import annotations

from errno import EINVAL, EPERM

from runtime import syscalls
from runtime.kernel import (
    PR_CAP_AMBIENT,
    PR_CAP_AMBIENT_CLEAR_ALL,
    PR_CAP_AMBIENT_RAISE,
    PR_CAPBSET_DROP,
    PR_CAPBSET_READ,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAMES = (
    "CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID CAP_SETPCAP "
    "CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK CAP_IPC_OWNER "
    "CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE "
    "CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE CAP_AUDIT_WRITE CAP_AUDIT_CONTROL "
    "CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_AUDIT_READ "
    "CAP_PERFMON CAP_BPF CAP_CHECKPOINT_RESTORE"
).split()
SETS = ("bounding", "effective", "permitted", "inheritable", "ambient")
# What the kernel takes into one set only from another.
_NEEDED = (
    ("effective", "permitted"),
    ("inheritable", "bounding"),
    ("ambient", "permitted"),
    ("ambient", "inheritable"),
)
_MOST = 64
_NUMBERS = {name: number for number, name in enumerate(NAMES)}


def mask(names: list[str]) -> int:
    """Return the bits of these capabilities; a name that this program does not know is skipped, as the spec asks."""
    bits = 0
    for name in names:
        number = _NUMBERS.get(name.upper())
        if number is not None:
            bits |= 1 << number
    return bits


def drop_ungrantable(process: dict[str, Any]) -> None:
    """Take from a process section what this process cannot give: other runtimes fail of what we only warn of."""
    _effective, permitted, _inheritable = syscalls.capget()
    sets = process.get("capabilities") or {}
    for kind, names in sets.items():
        sets[kind] = [name for name in names if mask([name]) & permitted]


class CapabilitySets:
    """The five sets of `process.capabilities`, as bits."""

    __slots__ = ("ambient", "bounding", "effective", "inheritable", "permitted")

    def __init__(self, document: dict[str, Any]) -> None:
        self.bounding = mask(document.get("bounding") or [])
        self.effective = mask(document.get("effective") or [])
        self.permitted = mask(document.get("permitted") or [])
        self.inheritable = mask(document.get("inheritable") or [])
        self.ambient = mask(document.get("ambient") or [])


def warnings(document: dict[str, Any], *, in_user_namespace: bool) -> list[str]:
    """Say which capabilities a configuration asks for in vain: unknown, or not ours to give (config.md).

    In a new user namespace all can be given.
    """
    found = []
    _effective, available, _inheritable = syscalls.capget()
    for name in dict.fromkeys(name for kind in SETS for name in document.get(kind) or ()):
        number = _NUMBERS.get(name.upper())
        if number is None:
            found.append(f"capability `{name}` is not known and is ignored")
        elif not in_user_namespace and not available >> number & 1:
            found.append(f"capability `{name}` cannot be granted: the runtime does not have it itself")
    for kind, needed in _NEEDED:
        missing = mask(document.get(kind) or []) & ~mask(document.get(needed) or [])
        for number, name in enumerate(NAMES):
            if missing >> number & 1:
                found.append(f"capability `{name}` cannot be {kind}: it is not in the {needed} set")
    return found


def drop_bounding(keep: int) -> None:
    """Drop all but these from the bounding set; needs CAP_SETPCAP, unless there is nothing to drop."""
    for number in range(_MOST):
        if keep >> number & 1:
            continue
        try:
            syscalls.prctl(PR_CAPBSET_DROP, number)
        except OSError as error:
            if error.errno == EINVAL:
                # The kernel knows no capability of this number, nor of a higher one.
                return
            if syscalls.prctl(PR_CAPBSET_READ, number):
                raise


def apply(sets: CapabilitySets) -> None:
    """Set the capabilities of this process, as far as it has them to give.

    Needs PR_SET_KEEPCAPS before a change of user. What cannot be granted is left out, as the spec asks.
    """
    _effective, available, _inheritable = syscalls.capget()
    permitted = sets.permitted & available
    inheritable = sets.inheritable & available & sets.bounding
    syscalls.capset(sets.effective & permitted, permitted, inheritable)
    try:
        syscalls.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    except OSError:
        return
    for number in range(len(NAMES)):
        if sets.ambient & permitted & inheritable & (1 << number):
            try:
                syscalls.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number)
            except OSError as error:
                if error.errno != EPERM:
                    raise
