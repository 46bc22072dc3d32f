"""`resume`: let a paused container go on."""

from __future__ import annotations

from runtime.cli import values
from runtime.pause import resume

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.cli.arguments import CommandLine


def main(line: CommandLine) -> int:
    """Resume a container."""
    resume(values.root(line), line.arguments[0])
    return 0
