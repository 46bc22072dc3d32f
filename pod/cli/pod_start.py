"""`pod pod start`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument, Option

SHARED = ("pod.cli.flags.pod_choice",)


def main(
    pods: Annotated[list[str] | None, Argument(metavar="POD [POD...]", help="Names or IDs")] = None,
    all: Annotated[bool, Option("--all", "-a", help="Start all pods")] = False,
    **flags: Any,
) -> int:
    """Start one or more pods."""
    from pod.cli import flags as groups
    from pod.cli.pods import act
    from pod.engine import open_engine
    from pod.pods.chooser import Choice
    from pod.pods.start import start

    choice = Choice(pods, all=all)
    groups.apply(SHARED, flags, choice)
    choice.check()
    engine = open_engine(write=True)
    return act(choice.pods(engine), lambda pod: start(engine, pod))
