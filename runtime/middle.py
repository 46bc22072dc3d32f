"""The process between the caller of `create` and the container's first, where there has to be one.

It enters the namespaces that hold only children, and those which a process must be in before it makes its own; then it
forks the first process, which becomes a child of the caller (CLONE_PARENT), and ends.
"""

from __future__ import annotations

import posix

from runtime import init, launch, namespaces, syscalls
from runtime.clone import clone
from runtime.kernel import CLONE_NEWCGROUP, CLONE_NEWTIME, CLONE_NEWUSER, CLONE_PARENT, PR_SET_DUMPABLE
from runtime.sync import Channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def run(setup: init.Setup) -> NoReturn:
    """Enter the namespaces that hold only children, fork the container's first process into them, and end."""
    try:
        plan = setup.namespaces
        if not plan.new & CLONE_NEWUSER:
            # What waits in a joined pid namespace may be hostile (CVE-2016-9962). A new user namespace needs its maps
            # first, which are written to files that would no longer be ours.
            if setup.process is not None:
                launch.set_oom_score("self", setup.process)
            syscalls.prctl(PR_SET_DUMPABLE, 0)
        if plan.needs_second_fork():
            namespaces.join_all(plan.joins)
        flags = plan.new & ~CLONE_NEWCGROUP
        if plan.time_offsets:
            syscalls.unshare(CLONE_NEWTIME)
            namespaces.write_time_offsets(setup.proc, plan.time_offsets)
            flags &= ~CLONE_NEWTIME
        listener = setup.seccomp.listener
        pid = listener.clone(flags | CLONE_PARENT, 0) if listener else clone(flags | CLONE_PARENT, 0)
        if pid == 0:
            init.run(setup)
        setup.channel.send("pid", pid)
        if listener:
            listener.serve(pid, Channel(setup.listener))
    except BaseException as error:  # the parent reports it
        setup.channel.send_error(error, "enter the container's namespaces")
    finally:
        posix._exit(0)
