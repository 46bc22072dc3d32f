"""`pause`: stop all processes of a container."""

from __future__ import annotations

from runtime.cli import values
from runtime.pause import pause

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.cli.arguments import CommandLine


def main(line: CommandLine) -> int:
    """Pause a container."""
    pause(values.root(line), line.arguments[0])
    return 0
