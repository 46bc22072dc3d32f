"""`features`: what this runtime can do."""

from __future__ import annotations

from runtime import features
from runtime.cli import output, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.cli.arguments import CommandLine


def main(line: CommandLine) -> int:
    """Print the features document."""
    document = features.document(table.NAME, table.VERSION, checkpoint="checkpoint" in table.VERBS)
    output.write(output.pretty(document) + "\n")
    return 0
