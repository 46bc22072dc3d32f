"""`list`: the containers below the root."""

from __future__ import annotations

from runtime import jsontext, status
from runtime.cli import output, values
from runtime.cli.arguments import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.cli.arguments import CommandLine

_COLUMNS = ("id", "pid", "status", "bundle", "created", "owner")


def main(line: CommandLine) -> int:
    """Print the containers as a table, as JSON, or their IDs alone."""
    kind = line.text("format") or "table"
    if kind not in ("table", "json"):
        raise UsageError(f"invalid format option `{kind}`: table or json")
    root = values.root(line)
    states = [status.load(root, name).state() for name in status.list_ids(root)]
    if line.is_set("quiet"):
        output.write("".join(f"{state['id']}\n" for state in states))
    elif kind == "json":
        output.write(jsontext.dumps(states) + "\n")
    else:
        rows = [[str(state[column]) for column in _COLUMNS] for state in states]
        output.write(output.table([[column.upper() for column in _COLUMNS], *rows]))
    return 0
