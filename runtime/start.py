"""`start`: let a created container become its program."""

from __future__ import annotations

import posix
import struct

from runtime import command, hooks, launch, process, sync
from runtime import status as states
from runtime.errors import HookError, NotRunningError, OCIRuntimeError
from runtime.spec import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.notify import Proxy

_REPORT = 65536


def start(root: str, container_id: str, *, notify_socket: str | None = None) -> None:
    """Start a created container; return when its program runs, raise if it could not be executed.

    With `notify_socket`, where the container was created for that: return when it has told that it is ready, or has
    ended, and pass on to the socket what it tells until then.
    """
    status = states.load(root, container_id)
    now = status.status()
    if now == "stopped":
        raise NotRunningError(f"cannot start container `{container_id}`: it has ended")
    if now != "created":
        raise OCIRuntimeError(f"cannot start container `{container_id}`: it is {now}")
    spec = load(f"{status.directory}/{states.CONFIG}")
    proxy = _listen(status, notify_socket) if notify_socket else None
    try:
        _let_go(status, (spec.get("process") or {}).get("args") or [""])
        _run_poststart(root, status, hooks.read_hooks(spec).get("poststart", []))
        if proxy is not None:
            proxy.pass_on(status.pid)
    finally:
        if proxy is not None:
            proxy.close()


def _listen(status: states.Status, host: str) -> Proxy | None:
    from runtime import notify

    if not posix.access(f"{status.directory}/{notify.DIRECTORY}", posix.F_OK):
        return None
    return notify.Proxy(status.directory, host)


def _run_poststart(root: str, status: states.Status, stage: list[dict[str, Any]]) -> None:
    """Run the hooks of a program that runs or has ended; one that fails ends the container (lifecycle, 9 and 12)."""
    try:
        hooks.run("poststart", stage, status.state("running"))
    except HookError:
        from runtime.delete import delete

        delete(root, status.id, force=True)
        raise


def _let_go(status: states.Status, arguments: list[str]) -> None:
    try:
        connection = launch.connect(status.directory, states.LISTENER)
    except (ConnectionRefusedError, FileNotFoundError):
        # Whoever started it before was killed between that and the removal of the socket; or it has just died.
        _remove_listener(status.directory)
        how = "it has ended" if process.is_dying(status.pid) else "it no longer waits for that"
        raise NotRunningError(f"cannot start container `{status.id}`: {how}") from None
    try:
        connection.send(b"s")
        report = connection.recv(_REPORT)
        _remove_listener(status.directory)
    except BrokenPipeError:
        _remove_listener(status.directory)  # it was killed before it could hear of the start
        raise NotRunningError(f"cannot start container `{status.id}`: it has ended") from None
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
