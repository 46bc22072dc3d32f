"""Telling what went wrong: to standard error, and to the log that the caller named.

podman parses the whole log as one JSON object, containerd takes the last line of level error: so a command writes one
line to a log in JSON if it fails, and none if it does not. Warnings, and what --debug tells, go to a log of plain text,
or to standard error where there is no log: with one that stream may be the container's.
"""

from __future__ import annotations

import posix
import time

from runtime import jsontext
from runtime.cli import table
from runtime.cli.arguments import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.cli.arguments import CommandLine

_LEVELS = ("error", "warn", "warning", "info", "debug")
_JOURNAL, _SYSLOG = "/run/systemd/journal/socket", "/dev/log"
_ERROR, _WARNING, _DEBUG = 3, 4, 7  # syslog(3)
_LEVEL = {_ERROR: "error", _WARNING: "warning", _DEBUG: "debug"}
_FACILITY_USER = 1 << 3


class Log:
    """Where one command reports to: a file, the journal, syslog, or standard error alone."""

    def __init__(self, line: CommandLine) -> None:
        target, self._format = line.globals.get("log"), line.globals.get("log-format", "text")
        level = line.globals.get("log-level", "error")
        if self._format not in ("text", "json"):
            raise UsageError(f"invalid log-format `{self._format}`: text or json")
        if level not in _LEVELS:
            raise UsageError(f"invalid log-level `{level}`: one of {', '.join(_LEVELS)}")
        self._debug = level == "debug" or bool(line.globals.get("debug"))
        kind, colon, self._name = str(target or "").partition(":")
        self._kind = kind if colon and kind in ("file", "journald", "syslog") else "file"
        self._fd = -1
        if target:
            self._open(self._name if colon and kind == "file" else str(target))

    def _open(self, path: str) -> None:
        try:
            if self._kind == "file":
                flags = posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND | posix.O_CLOEXEC
                self._fd = posix.open(path, flags, 0o644)
                return
            import _socket

            kind = _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC
            path = _JOURNAL if self._kind == "journald" else _SYSLOG
            end = _socket.socket(_socket.AF_UNIX, kind)
            try:
                end.connect(path)
                self._fd = end.detach()
            finally:
                end.close()
        except OSError as error:
            raise UsageError(f"open the log `{path}`: {error.strerror}") from error

    def error(self, message: str, hint: str, cause: BaseException) -> None:
        """Report why the command failed; where in the code is told with --debug only."""
        traceback = ""
        if self._debug:
            from traceback import format_exception

            traceback = "".join(format_exception(cause))
        self._append(message, _ERROR, {"traceback": traceback} if traceback else {})
        one_line = message.replace("\n", "\\n")
        _print(f"{table.NAME}: {one_line}\n" + (f"hint: {hint}\n" if hint else "") + traceback)

    def debug(self, message: str) -> None:
        """Tell what the command does, if that is asked for."""
        if self._debug:
            self._remark(message, _DEBUG)

    def warning(self, message: str) -> None:
        """Tell what is amiss, though the command succeeds."""
        self._remark(message, _WARNING)

    def _remark(self, message: str, priority: int) -> None:
        if self._fd < 0:
            _print(f"{table.NAME}: {_LEVEL[priority]}: {message}\n")
        elif self._kind != "file" or self._format == "text":
            self._append(message, priority, {})

    def _append(self, message: str, priority: int, more: dict[str, str]) -> None:
        if self._fd < 0:
            return
        try:
            posix.write(self._fd, self._entry(message, priority, more).encode("utf-8", "backslashreplace"))
        except OSError:
            # The same words go to standard error.
            pass

    def _entry(self, message: str, priority: int, more: dict[str, str]) -> str:
        level = _LEVEL[priority]
        if self._kind == "journald":
            # systemd.journal-fields(7); a value of several lines would need another form.
            text = message.replace("\n", "\\n")
            return f"MESSAGE={text}\nPRIORITY={priority}\nSYSLOG_IDENTIFIER={self._name or table.NAME}\n"
        if self._kind == "syslog":
            return f"<{_FACILITY_USER | priority}>{self._name or table.NAME}: {message}"
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if self._format == "json":
            return jsontext.dumps({"level": level, "msg": message, "time": now, **more}) + "\n"
        return f'time="{now}" level={level} msg={jsontext.dumps(message)}\n'


def _print(text: str) -> None:
    try:
        posix.write(2, text.encode("utf-8", "backslashreplace"))
    except OSError:
        # Nobody listens; the exit status says it too.
        pass


def warn(line: CommandLine, messages: list[str]) -> None:
    """Tell what is amiss with a container that has been made."""
    report = Log(line)
    for message in messages:
        report.warning(message)
