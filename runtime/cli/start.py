"""`start`: let a created container become its program."""

from __future__ import annotations

from runtime.cli import activation, values
from runtime.start import start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.cli.arguments import CommandLine


def main(line: CommandLine) -> int:
    """Start a container."""
    start(values.root(line), line.arguments[0], notify_socket=activation.notify_socket())
    return 0
