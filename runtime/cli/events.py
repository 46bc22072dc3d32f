"""`events`: a line of JSON about what a container uses, once or again and again, and when it runs out of memory."""

from __future__ import annotations

from runtime import events, jsontext
from runtime.cli import output, values
from runtime.cli.arguments import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.cli.arguments import CommandLine


def main(line: CommandLine) -> int:
    """Print events of a container until it ends, or one."""
    seconds = values.duration(line.text("interval") or "5s")
    if seconds <= 0:
        raise UsageError("duration interval must be greater than 0")
    root, container_id = values.root(line), line.arguments[0]
    if line.is_set("stats"):
        output.write(jsontext.dumps(events.usage(root, container_id)) + "\n")
        return 0
    for event in events.follow(root, container_id, seconds):
        output.write(jsontext.dumps(event) + "\n")
    return 0
