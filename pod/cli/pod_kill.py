"""`pod pod kill`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument, Option

SHARED = ("pod.cli.flags.pod_choice:latest",)


def main(
    pods: Annotated[list[str] | None, Argument(metavar="POD [POD...]", help="Names or IDs")] = None,
    all: Annotated[bool, Option("--all", "-a", help="Kill all containers in all pods")] = False,
    signal: Annotated[
        str, Option("--signal", "-s", metavar="string", help="Signal to send to the containers in the pod")
    ] = "KILL",
    **flags: Any,
) -> int:
    """Send the specified signal or SIGKILL to the containers in pods."""
    from pod.cli import flags as groups
    from pod.cli.pods import act
    from pod.engine import open_engine
    from pod.pods.chooser import Choice
    from pod.pods.kill import kill
    from pod.values import parse_signal

    choice = Choice(pods, all=all)
    groups.apply(SHARED, flags, choice)
    choice.check()
    number = parse_signal(signal)
    engine = open_engine(write=True)
    return act(choice.pods(engine), lambda pod: kill(engine, pod, number))
