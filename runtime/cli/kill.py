"""`kill`: a signal for a container."""

from __future__ import annotations

from runtime.cli import values
from runtime.kill import kill

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.cli.arguments import CommandLine


def main(line: CommandLine) -> int:
    """Signal a container."""
    number = values.signal(line.arguments[1] if len(line.arguments) == 2 else "TERM")
    root = values.root(line)
    for container_id in values.matching(line, root):
        kill(root, container_id, number, all=line.is_set("all"))
    return 0
