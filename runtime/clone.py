"""Starting a process in a cgroup, the fast way.

Moving a process by cgroup.procs waits for a grace period of the kernel's RCU, 7 to 40 ms; a process that is cloned
into a cgroup v2, and that writes itself into the `tasks` files of v1, waits for nothing.
"""

from __future__ import annotations

import posix

from runtime import process, syscalls
from runtime.errors import OCIRuntimeError
from runtime.kernel import CLONE_NEWUSER, PR_SET_DUMPABLE
from runtime.sync import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.cgroups import Cgroup

SIGCHLD = 17


def hide_forks(flags: int) -> bool:
    """Make this process, and so its forks, not dumpable if they are to be in a new user namespace; False if not.

    Its owner may trace what is in it, and a hostile container may run as that user (CVE-2016-9962). Only the host's
    root can still write the maps of such a process: others hide it later.
    """
    if not flags & CLONE_NEWUSER or posix.geteuid() or process.in_user_namespace():
        return False
    syscalls.prctl(PR_SET_DUMPABLE, 0)
    return True


def clone_into(cgroup: Cgroup | None, flags: int, entrances: list[int]) -> int:
    """Clone this process, with new namespaces by `flags`; return the child's pid, 0 in the child.

    `entrances` is filled with descriptors by which the child enters what it could not be cloned into.
    """
    if cgroup is None:
        return clone(flags)
    directory = cgroup.clone_fd()
    if directory >= 0:
        entrances += cgroup.entrances(unified=False)
        try:
            return clone(flags, cgroup=directory)
        except OCIRuntimeError:
            # Not every kernel and place lets us: the child goes there by itself.
            close_entrances(entrances)
        finally:
            posix.close(directory)
    entrances += cgroup.entrances(unified=True)
    return clone(flags)


def clone(flags: int, exit_signal: int = SIGCHLD, *, cgroup: int = -1) -> int:
    """Clone this process; return the child's pid, 0 in the child."""
    try:
        pid, pidfd = syscalls.clone3(flags, exit_signal, cgroup=cgroup)
    except OSError as error:
        raise OCIRuntimeError(f"make the container's namespaces: {describe(error)}") from error
    if pid:
        posix.close(pidfd)
    return pid


def close_entrances(entrances: list[int]) -> None:
    """Close the descriptors, and forget them."""
    while entrances:
        posix.close(entrances.pop())
