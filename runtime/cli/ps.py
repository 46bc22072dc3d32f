"""`ps`: the processes of a container, as ps(1) shows them or as a list of their IDs."""

from __future__ import annotations

from runtime import jsontext, status
from runtime.cli import output, values
from runtime.cli.arguments import UsageError
from runtime.errors import OCIRuntimeError
from runtime.processes import pids

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.cli.arguments import CommandLine

_DEFAULT_OPTIONS = ["-ef"]
_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"


def main(line: CommandLine) -> int:
    """Print the processes of a container."""
    kind = line.text("format") or "table"
    if kind not in ("table", "json"):
        raise UsageError(f"invalid format option `{kind}`: table or json")
    found = pids(status.load(values.root(line), line.arguments[0]))
    if kind == "json":
        output.write(jsontext.dumps(found) + "\n")
    else:
        output.write(_table(found, line.arguments[1:] or _DEFAULT_OPTIONS))
    return 0


def _table(found: list[int], options: list[str]) -> str:
    """Return those lines of ps(1) that are about these processes, and its heading."""
    import subprocess

    environment = {"PATH": values.environment("PATH") or _DEFAULT_PATH}
    try:
        done = subprocess.run(["ps", *options], capture_output=True, text=True, check=True, env=environment)
    except FileNotFoundError:
        raise OCIRuntimeError("run ps: it is not installed", hint="`ps --format json` needs no other program") from None
    except subprocess.CalledProcessError as error:
        raise OCIRuntimeError(f"run ps {' '.join(options)}: {error.stderr.strip() or error}") from error
    heading, *lines = done.stdout.splitlines() or [""]
    columns = heading.split()
    if "PID" not in columns:
        raise OCIRuntimeError(f"run ps {' '.join(options)}: it has no column PID to find the container's processes by")
    column = columns.index("PID")
    wanted = {str(pid) for pid in found}
    kept = [text for text in lines if wanted & set(text.split()[column : column + 1])]
    return "".join(f"{text}\n" for text in [heading, *kept])
