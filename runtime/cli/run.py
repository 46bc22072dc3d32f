"""`run`: create and start a container, wait for it, and delete it."""

from __future__ import annotations

from runtime import foreground, syscalls
from runtime.cli import activation, create, values
from runtime.delete import delete
from runtime.kernel import PR_SET_CHILD_SUBREAPER
from runtime.start import start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.cli.arguments import CommandLine


def main(line: CommandLine) -> int:
    """Run a container; in the foreground return its exit status."""
    root, container_id = values.root(line), line.arguments[0]
    detach = line.is_set("detach")
    if not detach and not line.is_set("no-subreaper"):
        # What outlives its parent in a container without a pid namespace of its own shall not go to the host's init.
        syscalls.prctl(PR_SET_CHILD_SUBREAPER, 1)
    created = create.make(line, root, foreground=not detach)
    try:
        start(root, container_id, notify_socket=activation.notify_socket())
        if detach:
            return 0
        code = foreground.wait(created.pid, created.console)
    except BaseException:
        delete(root, container_id, force=True)
        raise
    warnings = [] if line.is_set("keep") else delete(root, container_id, force=True)
    if warnings:
        from runtime.cli import log

        log.warn(line, warnings)
    return code
