"""`pod pod stop`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument, Option

SHARED = ("pod.cli.flags.pod_choice", "pod.cli.flags.pod_ending")


def main(
    pods: Annotated[list[str] | None, Argument(metavar="POD [POD...]", help="Names or IDs")] = None,
    all: Annotated[bool, Option("--all", "-a", help="Stop all running pods")] = False,
    **flags: Any,
) -> int:
    """Stop one or more pods."""
    from pod.cli import each
    from pod.cli import flags as groups
    from pod.cli.pods import Ending, act
    from pod.engine import open_engine
    from pod.pods.stop import stop

    choice = Ending(pods, all=all)
    groups.apply(SHARED, flags, choice)
    choice.check()
    engine = open_engine(write=True)
    found = choice.pods(engine, ignore=choice.ignore)
    return act(found, lambda pod: stop(engine, pod, timeout=choice.timeout, warn=each.warn))
