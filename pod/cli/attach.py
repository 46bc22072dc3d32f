"""`pod attach`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    containers: Annotated[list[str] | None, Argument(metavar="CONTAINER", help="A running container")] = None,
    detach_keys: Annotated[
        str | None, Option("--detach-keys", metavar="string", help="The key sequence for detaching a container")
    ] = None,
    latest: Annotated[bool, Option("--latest", "-l", help="Act on the latest container pod is aware of")] = False,
    no_stdin: Annotated[bool, Option("--no-stdin", help="Do not attach STDIN")] = False,
    sig_proxy: Annotated[bool, Option("--sig-proxy", help="Proxy received signals to the process")] = True,
) -> int:
    """Attach to a running container."""
    from pod.cli import attaching, each, terminal
    from pod.containers.chooser import Choice
    from pod.containers.status import observe
    from pod.engine import open_engine
    from pod.errors import PodError, StateError

    names = containers or []
    if len(names) > 1:
        raise PodError("`pod attach` accepts at most one argument")
    choice = Choice(names, latest=latest)
    choice.check('"pod attach" requires a name, id, or the "--latest" flag')
    terminal.check_detach_keys(detach_keys)
    engine = open_engine(write=True)
    found = each.chosen(engine, choice)[0].container
    seen = observe(engine.config, found.id)
    if not seen.is_running or seen.state == "paused":
        raise StateError("you can only attach to running containers")
    return attaching.join(
        engine,
        found,
        stdin=found.config["stdin"] and not no_stdin,
        detach_keys=terminal.detach_keys(engine, detach_keys, found.config["detach_keys"]),
        sig_proxy=sig_proxy,
    )
