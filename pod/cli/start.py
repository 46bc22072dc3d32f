"""`pod start`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option

    from pod.engine import Engine
    from pod.state import Container


def main(
    containers: Annotated[list[str] | None, Argument(metavar="CONTAINER [CONTAINER...]", help="Names or IDs")] = None,
    all: Annotated[
        bool, Option("--all", help="Start all containers regardless of their state or configuration")
    ] = False,
    attach: Annotated[bool, Option("--attach", "-a", help="Attach container's STDOUT and STDERR")] = False,
    detach_keys: Annotated[
        str | None, Option("--detach-keys", metavar="string", help="The key sequence for detaching a container")
    ] = None,
    filter: Annotated[
        list[str] | None, Option("--filter", "-f", metavar="strings", help="Filter output based on conditions given")
    ] = None,
    interactive: Annotated[bool, Option("--interactive", "-i", help="Make STDIN available to the container")] = False,
    latest: Annotated[bool, Option("--latest", "-l", help="Act on the latest container pod is aware of")] = False,
    sig_proxy: Annotated[
        bool | None, Option("--sig-proxy", help="Proxy received signals to the process (default true if attaching)")
    ] = None,
) -> int:
    """Start one or more containers."""
    from pod.cli import each, terminal
    from pod.containers import launch
    from pod.containers.chooser import Choice
    from pod.engine import open_engine
    from pod.errors import PodError

    names = containers or []
    attach = attach or interactive
    if all and names:
        raise PodError("either start all containers or the container(s) provided in the arguments")
    if not filter or all or latest:
        Choice(names, all=all, latest=latest, filters=filter).check("start requires at least one argument")
    if attach and len(names) > 1:
        raise PodError("you cannot start and attach multiple containers at once")
    if attach and all:
        raise PodError("you cannot start and attach all containers at once")
    if sig_proxy and not attach:
        raise PodError("you cannot use sig-proxy without --attach: invalid argument")
    terminal.check_detach_keys(detach_keys)
    engine = open_engine(write=True)
    found = each.chosen(engine, Choice(names, all=all, latest=latest, filters=None if names else filter))
    if names and filter:
        fitting = set(Choice(filters=filter).words(engine))
        found = [one for one in found if one.container.id in fitting]
    if attach and len(found) != 1:
        raise PodError("you cannot start and attach multiple containers at once")
    if not attach:
        return each.act(found, lambda container: launch.start_detached(engine, container))
    return _start_attached(
        engine, found[0].container, stdin=interactive, detach_keys=detach_keys, sig_proxy=sig_proxy is not False
    )


def _start_attached(
    engine: Engine, container: Container, *, stdin: bool, detach_keys: str | None, sig_proxy: bool
) -> int:
    from pod.cli import attaching, terminal
    from pod.containers import launch
    from pod.containers.status import observe

    keys = terminal.detach_keys(engine, detach_keys, container.config["detach_keys"])
    stdin = stdin and container.config["stdin"]
    seen = observe(engine.config, container.id)
    if seen.state == "running":
        return attaching.join(engine, container, stdin=stdin, detach_keys=keys, sig_proxy=sig_proxy)
    launched = launch.launch(engine, container, terminal.size())
    terminal.hold_signals()
    launched.start()
    tty = container.config["tty"]
    return attaching.attend(launched, stdin=stdin, terminal=tty, detach_keys=keys, sig_proxy=sig_proxy)
