"""`pod pod unpause`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument, Option

SHARED = ("pod.cli.flags.pod_choice:latest",)


def main(
    pods: Annotated[list[str] | None, Argument(metavar="POD [POD...]", help="Names or IDs")] = None,
    all: Annotated[bool, Option("--all", "-a", help="Unpause all pods")] = False,
    **flags: Any,
) -> int:
    """Unpause one or more pods."""
    from pod.cli import flags as groups
    from pod.cli.pods import act
    from pod.engine import open_engine
    from pod.pods.chooser import Choice
    from pod.pods.pause import is_paused, unpause

    choice = Choice(pods, all=all)
    groups.apply(SHARED, flags, choice)
    choice.check()
    engine = open_engine(write=True)
    paused = [pod for pod in choice.pods(engine) if is_paused(engine, pod)]  # nothing is said of the others
    return act(paused, lambda pod: unpause(engine, pod))
