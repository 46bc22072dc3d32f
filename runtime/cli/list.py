"""`list`: the containers below the root."""

from __future__ import annotations

import posix

from runtime import jsontext, pause, status
from runtime.cli import log, output, values
from runtime.cli.arguments import UsageError
from runtime.errors import ContainerNotFoundError, OCIRuntimeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.cli.arguments import CommandLine

_COLUMNS = ("id", "pid", "status", "bundle", "created", "owner")


def main(line: CommandLine) -> int:
    """Print the containers as a table, as JSON, or their IDs alone."""
    kind = line.text("format") or "table"
    if kind not in ("table", "json"):
        raise UsageError(f"invalid format option `{kind}`: table or json")
    root = values.root(line)
    states = _states(line, root)
    if line.is_set("quiet"):
        output.write("".join(f"{state['id']}\n" for state in states))
    elif kind == "json":
        output.write(jsontext.dumps(states) + "\n")
    else:
        rows = [[str(state[column]) for column in _COLUMNS] for state in states]
        output.write(output.table([[column.upper() for column in _COLUMNS], *rows]))
    return 0


def _states(line: CommandLine, root: str) -> list[dict[str, Any]]:
    states = []
    for container_id in status.list_ids(root):
        try:
            container = status.load(root, container_id)
            states.append({**pause.state(container), "owner": _owner(container.directory)})
        except (ContainerNotFoundError, FileNotFoundError):
            # Deleted since its name was read.
            continue
        except OCIRuntimeError as error:
            # A damaged one shall not hide the others.
            log.warn(line, [str(error)])
            continue
    return states


def _owner(directory: str) -> str:
    """Return the name of the user whose container it is."""
    import pwd

    uid = posix.stat(directory).st_uid
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"
