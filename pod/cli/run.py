"""`pod run`."""

from __future__ import annotations

from pod.cli import flags as groups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument, Option

    from pod.containers.launch import LaunchedContainer
    from pod.state import Container

INTERSPERSED = False
SHARED = groups.CREATE


def main(
    image: Annotated[str, Argument(metavar="IMAGE", help="The image, or a directory with --rootfs")],
    command: Annotated[list[str] | None, Argument(metavar="[COMMAND [ARG...]]", help="What to run in it")] = None,
    detach: Annotated[
        bool, Option("--detach", "-d", help="Run container in background and print container ID")
    ] = False,
    detach_keys: Annotated[
        str | None, Option("--detach-keys", metavar="string", help="The key sequence for detaching a container")
    ] = None,
    rmi: Annotated[bool, Option("--rmi", help="Remove image unless used by other containers, implies --rm")] = False,
    sig_proxy: Annotated[bool, Option("--sig-proxy", help="Proxy received signals to the process")] = True,
    **flags: Any,
) -> int:
    """Run a command in a new container."""
    from pod.cli import creating, terminal
    from pod.containers.launch import launch
    from pod.engine import open_engine

    request = creating.request(image, command or [], flags)
    if rmi:
        request.auto_remove = request.remove_image = True
    request.detach_keys, request.owned_by_command = detach_keys or "", request.auto_remove
    terminal.check(request.tty and request.stdin)
    terminal.check_detach_keys(detach_keys)
    engine = open_engine(write=True)
    keys = terminal.detach_keys(engine, detach_keys)

    def start(container: Container) -> LaunchedContainer:
        meanwhile = None if detach else _prepare
        launched = launch(engine, container, terminal.size(), meanwhile, request.preserve)
        if detach:
            launched.release()
        terminal.hold_signals()
        launched.start()
        return launched

    launched = creating.create_and_start(engine, request, start)
    if detach:
        launched.detach()
        print(launched.id)
        return 0
    from pod.cli import attaching

    return attaching.attend(
        launched,
        stdin=request.stdin and (request.attach is None or "stdin" in request.attach),
        terminal=request.tty,
        detach_keys=keys,
        sig_proxy=sig_proxy,
        streams=request.attach,
    )


def _prepare() -> None:
    """Import what attaching and removing need, while the monitor makes the container."""
    import pod.cli.attaching
    import pod.containers.remove  # noqa: F401
