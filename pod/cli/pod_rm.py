"""`pod pod rm`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument, Option

SHARED = ("pod.cli.flags.pod_choice", "pod.cli.flags.pod_ending")


def main(
    pods: Annotated[list[str] | None, Argument(metavar="POD [POD...]", help="Names or IDs")] = None,
    all: Annotated[bool, Option("--all", "-a", help="Remove all pods")] = False,
    force: Annotated[
        bool, Option("--force", "-f", help="Stop the containers that run, then remove them and the pod")
    ] = False,
    **flags: Any,
) -> int:
    """Remove one or more pods."""
    import contextlib
    import os

    from pod.cli import each
    from pod.cli import flags as groups
    from pod.cli.pods import Ending, act
    from pod.engine import open_engine
    from pod.errors import NoSuchPodError, PodError
    from pod.pods.remove import remove

    choice = Ending(pods, all=all)
    groups.apply(SHARED, flags, choice)
    choice.check()
    if choice.timeout is not None and not force:
        raise PodError("--force option must be specified to use the --time option")
    engine = open_engine(write=True)
    try:
        found = choice.pods(engine, ignore=choice.ignore or force)
    except NoSuchPodError as error:
        error.code = 1  # as podman's `pod rm`
        raise
    code = act(found, lambda pod: remove(engine, pod, force=force, timeout=choice.timeout, warn=each.warn))
    for path in choice.id_files if not code else ():
        with contextlib.suppress(OSError):
            os.unlink(path)
    return code
