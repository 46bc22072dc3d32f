"""`state`: what runtime-spec (runtime.md, "State") says of a container."""

from __future__ import annotations

from runtime import pause, status
from runtime.cli import output, values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.cli.arguments import CommandLine


def main(line: CommandLine) -> int:
    """Print the state of a container."""
    state = pause.state(status.load(values.root(line), line.arguments[0]))
    output.write(output.pretty(state) + "\n")
    return 0
