"""`pod start`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    containers: Annotated[list[str] | None, Argument(metavar="CONTAINER [CONTAINER...]", help="Names or IDs")] = None,
    all: Annotated[bool, Option("--all", help="Start all containers regardless of their state")] = False,
    attach: Annotated[bool, Option("--attach", "-a", help="Attach container's STDOUT and STDERR")] = False,
    detach_keys: Annotated[
        str, Option("--detach-keys", metavar="string", help="The key sequence for detaching a container")
    ] = "ctrl-p,ctrl-q",
    interactive: Annotated[bool, Option("--interactive", "-i", help="Make STDIN available to the container")] = False,
    sig_proxy: Annotated[bool, Option("--sig-proxy", help="Proxy received signals to the process")] = True,
) -> int:
    """Start one or more containers."""
    from pod.cli import attaching, each, terminal
    from pod.containers import launch
    from pod.containers.status import observe
    from pod.engine import open_engine
    from pod.errors import PodError

    names = each.required(containers or [], all=all, missing="start requires at least one argument")
    if (attach or interactive) and len(names) > 1:
        raise PodError("you cannot start and attach multiple containers at once")
    terminal.check_detach_keys(detach_keys)
    engine = open_engine(write=True)

    def start(name: str) -> str:
        container = each.find(engine, name)
        launch.start_detached(engine, container)
        return name

    if not (attach or interactive):
        chosen = [one.name for one in each.everything(engine)] if all else names
        return each.run(chosen, start)
    container = each.find(engine, names[0])
    seen = observe(engine.config, container.id)
    stdin = interactive and container.config["stdin"]
    if seen.is_running:
        return attaching.join(engine, container, stdin=stdin, detach_keys=detach_keys, sig_proxy=sig_proxy)
    launched = launch.launch(engine, container, terminal.size())
    terminal.hold_signals()
    launched.start()
    return attaching.attend(
        launched, stdin=stdin, terminal=container.config["tty"], detach_keys=detach_keys, sig_proxy=sig_proxy
    )
