"""`pod attach`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    containers: Annotated[list[str] | None, Argument(metavar="CONTAINER", help="A running container")] = None,
    detach_keys: Annotated[
        str, Option("--detach-keys", metavar="string", help="The key sequence for detaching a container")
    ] = "",
    no_stdin: Annotated[bool, Option("--no-stdin", help="Do not attach STDIN")] = False,
    sig_proxy: Annotated[bool, Option("--sig-proxy", help="Proxy received signals to the process")] = True,
) -> int:
    """Attach to a running container."""
    from pod.cli import attaching, each
    from pod.containers.status import observe
    from pod.engine import open_engine
    from pod.errors import PodError, StateError

    missing = '"pod attach" requires a name, id, or the "--latest" flag'
    names = each.required(containers or [], all=False, missing=missing)
    if len(names) > 1:
        raise PodError("`pod attach` accepts at most one argument")
    engine = open_engine(write=True)
    found = each.find(engine, names[0])
    seen = observe(engine.config, found.id)
    if not seen.is_running:
        raise StateError("you can only attach to running containers")
    return attaching.join(
        engine,
        found,
        stdin=found.config["stdin"] and not no_stdin,
        detach_keys=detach_keys or found.config["detach_keys"] or "ctrl-p,ctrl-q",
        sig_proxy=sig_proxy,
    )
