"""Telling what went wrong: to standard error, and to the log that the caller named.

podman parses the whole log as one JSON object, containerd takes the last line of level error: so a command that fails
writes one line and no other to a log in JSON.
"""

from __future__ import annotations

import posix
import time

from runtime import jsontext
from runtime.cli import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.cli.arguments import CommandLine


def error(line: CommandLine, message: str, hint: str, traceback: str) -> None:
    """Report the failure of a command. A text of several lines is one only in a log in JSON."""
    target = line.globals.get("log")
    if isinstance(target, str):
        try:
            _append(line, target, message, traceback)
        except OSError:
            # The same words go to standard error.
            pass
    text = f"{table.NAME}: {message}\n" + (f"hint: {hint}\n" if hint else "") + traceback
    try:
        posix.write(2, text.encode("utf-8", "backslashreplace"))
    except OSError:
        # Nobody listens; the exit status says it too.
        pass


def _append(line: CommandLine, path: str, message: str, traceback: str) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    if line.globals.get("log-format") == "json":
        entry = {"level": "error", "msg": message, "time": now}
        text = jsontext.dumps({**entry, "traceback": traceback} if traceback else entry)
    else:
        text = f'time="{now}" level=error msg={jsontext.dumps(message)}\n{traceback}'.rstrip("\n")
    with open(path, "ab", buffering=0) as file:
        file.write(f"{text}\n".encode())
