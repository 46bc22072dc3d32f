"""`pod pod rm`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument, Option

SHARED = ("pod.cli.flags.pod_choice",)


def main(
    pods: Annotated[list[str] | None, Argument(metavar="POD [POD...]", help="Names or IDs")] = None,
    all: Annotated[bool, Option("--all", "-a", help="Remove all pods")] = False,
    force: Annotated[
        bool, Option("--force", "-f", help="Stop the containers that run, then remove them and the pod")
    ] = False,
    ignore: Annotated[bool, Option("--ignore", "-i", help="Ignore errors when a specified pod is missing")] = False,
    time: Annotated[
        int | None,
        Option(
            "--time", "-t", "--timeout", metavar="int", min=-1, help="Seconds to wait before the containers are killed"
        ),
    ] = None,
    **flags: Any,
) -> int:
    """Remove one or more pods."""
    import contextlib
    import os

    from pod.cli import each
    from pod.cli import flags as groups
    from pod.cli.pods import act
    from pod.engine import open_engine
    from pod.errors import NoSuchPodError, PodError
    from pod.pods.chooser import Choice
    from pod.pods.remove import remove

    choice = Choice(pods, all=all)
    groups.apply(SHARED, flags, choice)
    choice.check()
    if time is not None and not force:
        raise PodError("--force option must be specified to use the --time option")
    engine = open_engine(write=True)
    try:
        found = choice.pods(engine, ignore=ignore or force)
    except NoSuchPodError as error:
        error.code = 1  # as podman's `pod rm`
        raise
    code = act(found, lambda pod: remove(engine, pod, force=force, timeout=time, warn=each.warn))
    for path in choice.id_files if not code else ():
        with contextlib.suppress(OSError):
            os.unlink(path)
    return code
