"""`state`: what runtime-spec (runtime.md, "State") says of a container."""

from __future__ import annotations

from runtime import status
from runtime.cli import output, values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.cli.arguments import CommandLine


def main(line: CommandLine) -> int:
    """Print the state of a container."""
    output.write(output.pretty(status.load(values.root(line), line.arguments[0]).state()) + "\n")
    return 0
