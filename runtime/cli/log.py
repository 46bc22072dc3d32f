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


def warn(line: CommandLine, messages: list[str]) -> None:
    """Tell what is amiss with a container that has been made, in the log if there is one, else on standard error.

    Not in a log in JSON: a later command, which fails, may write its one line to the same.
    """
    target = line.globals.get("log")
    try:
        if not isinstance(target, str):
            text = "".join(f"{table.NAME}: warning: {message}\n" for message in messages)
            posix.write(2, text.encode("utf-8", "backslashreplace"))
        elif line.globals.get("log-format") != "json":
            now = _now()
            _write(target, "\n".join(_entry(now, "warning", message) for message in messages))
    except OSError:
        # It is but a warning.
        pass


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _entry(now: str, level: str, message: str) -> str:
    return f'time="{now}" level={level} msg={jsontext.dumps(message)}'


def _append(line: CommandLine, path: str, message: str, traceback: str) -> None:
    now = _now()
    if line.globals.get("log-format") == "json":
        entry = {"level": "error", "msg": message, "time": now}
        text = jsontext.dumps({**entry, "traceback": traceback} if traceback else entry)
    else:
        text = f"{_entry(now, 'error', message)}\n{traceback}".rstrip("\n")
    _write(path, text)


def _write(path: str, text: str) -> None:
    with open(path, "ab", buffering=0) as file:
        file.write(f"{text}\n".encode())
