"""`start`: let a created container become its program."""

from __future__ import annotations

import posix
import struct

from runtime import command, hooks, launch, sync
from runtime import status as states
from runtime.errors import NotRunningError, OCIRuntimeError
from runtime.spec import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_REPORT = 65536


def start(root: str, container_id: str) -> None:
    """Start a created container; return when its program runs, raise if it could not be executed."""
    status = states.load(root, container_id)
    now = status.status()
    if now == "stopped":
        raise NotRunningError(f"cannot start container `{container_id}`: it has ended")
    if now != "created":
        raise OCIRuntimeError(f"cannot start container `{container_id}`: it is {now}")
    spec = load(f"{status.directory}/{states.CONFIG}")
    _let_go(status, (spec.get("process") or {}).get("args") or [""])
    stage = hooks.read_hooks(spec).get("poststart")
    if stage:
        _run_poststart(status, stage)


def _run_poststart(status: states.Status, stage: list[dict[str, Any]]) -> None:
    """Run the hooks of a program that runs, or has already ended; one that fails stops it (runtime.md, lifecycle 9)."""
    try:
        hooks.run("poststart", stage, status.state("running"))
    except OCIRuntimeError:
        from runtime.delete import end

        end(status)
        raise


def _let_go(status: states.Status, arguments: list[str]) -> None:
    try:
        connection = launch.connect(status.directory, states.LISTENER)
    except ConnectionRefusedError:
        # Whoever started it before was killed between that and the removal of the socket; or it has just died.
        _remove_listener(status.directory)
        raise NotRunningError(f"cannot start container `{status.id}`: it no longer waits for that") from None
    try:
        connection.send(b"s")
        report = connection.recv(_REPORT)
        _remove_listener(status.directory)
    except ConnectionResetError:
        report = b""
    finally:
        connection.close()
    raise_report(report, arguments[0])


def raise_report(report: bytes, path: str) -> None:
    """Raise what a process reported instead of executing its program: the trampoline's errno, or our own packet."""
    if len(report) == 4:
        raise command.exec_failure(struct.unpack("=i", report)[0], path)
    if report:
        raise sync.revive(sync.parse(report)[1])


def _remove_listener(directory: str) -> None:
    try:
        posix.unlink(f"{directory}/{states.LISTENER}")
    except FileNotFoundError:
        pass
