"""`run`: create and start a container, wait for it, and delete it."""

from __future__ import annotations

from runtime import foreground
from runtime.cli import activation, create, values
from runtime.delete import delete
from runtime.start import start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.cli.arguments import CommandLine


def main(line: CommandLine) -> int:
    """Run a container; in the foreground return its exit status."""
    root, container_id = values.root(line), line.arguments[0]
    detach = line.is_set("detach")
    created = create.make(line, root, foreground=not detach)
    try:
        start(root, container_id, notify_socket=activation.notify_socket())
        if detach:
            return 0
        code = foreground.wait(created.pid, created.console)
    except BaseException:
        delete(root, container_id, force=True)
        raise
    if not line.is_set("keep"):
        delete(root, container_id, force=True)
    return code
