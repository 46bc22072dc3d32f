"""`pod pod stop`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument, Option

SHARED = ("pod.cli.flags.pod_choice",)


def main(
    pods: Annotated[list[str] | None, Argument(metavar="POD [POD...]", help="Names or IDs")] = None,
    all: Annotated[bool, Option("--all", "-a", help="Stop all running pods")] = False,
    ignore: Annotated[bool, Option("--ignore", "-i", help="Ignore errors when a specified pod is missing")] = False,
    time: Annotated[
        int | None,
        Option(
            "--time", "-t", "--timeout", metavar="int", min=-1, help="Seconds to wait before the containers are killed"
        ),
    ] = None,
    **flags: Any,
) -> int:
    """Stop one or more pods."""
    from pod.cli import each
    from pod.cli import flags as groups
    from pod.cli.pods import act
    from pod.engine import open_engine
    from pod.pods.chooser import Choice
    from pod.pods.stop import stop

    choice = Choice(pods, all=all)
    groups.apply(SHARED, flags, choice)
    choice.check()
    engine = open_engine(write=True)
    return act(choice.pods(engine, ignore=ignore), lambda pod: stop(engine, pod, timeout=time, warn=each.warn))
