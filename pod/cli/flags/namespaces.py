"""Flags on the namespaces that the container has of its own, or shares."""

from __future__ import annotations

from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option

    from pod.containers.create import CreateOptions


def declare(
    options: CreateOptions,
    *,
    ipc: Annotated[str, Option("--ipc", metavar="string", help="IPC namespace to use (private, host)")] = "private",
    pid: Annotated[str, Option("--pid", metavar="string", help="PID namespace to use (private, host)")] = "private",
    userns: Annotated[
        str, Option("--userns", metavar="string", help="User namespace to use (host, keep-id[:uid=,gid=])")
    ] = "",
    uts: Annotated[str, Option("--uts", metavar="string", help="UTS namespace to use (private, host)")] = "private",
) -> None:
    """Note what is asked for. Raises PodError for what makes no sense."""
    for flag, value in (("pid", pid), ("ipc", ipc), ("uts", uts)):
        if value not in ("private", "host"):
            raise PodError(f'invalid --{flag} "{value}"', hint="known are private and host")
    if userns not in ("", "host") and userns.partition(":")[0] != "keep-id":
        raise PodError(f'unrecognized namespace mode "{userns}" passed to --userns', hint="known are host and keep-id")
    options.namespaces["pid"], options.namespaces["ipc"], options.namespaces["uts"] = pid, ipc, uts
    options.namespaces["user"] = userns or "host"
