"""`delete`: remove a container."""

from __future__ import annotations

from runtime.cli import values
from runtime.delete import delete

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.cli.arguments import CommandLine


def main(line: CommandLine) -> int:
    """Delete a container."""
    root = values.root(line)
    for container_id in values.matching(line, root):
        warnings = delete(root, container_id, force=line.is_set("force"))
        if warnings:
            from runtime.cli import log

            log.warn(line, warnings)
    return 0
