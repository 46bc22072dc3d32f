"""Flags of `run` and `create` on the pod that the container is to be in."""

from __future__ import annotations

from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option

    from pod.cli.flags.request import Request


def declare(
    request: Request,
    *,
    pod: Annotated[
        str, Option("--pod", metavar="string", help="Run container in an existing pod, or in a new one (new:NAME)")
    ] = "",
    pod_id_file: Annotated[str, Option("--pod-id-file", metavar="string", help="Read the pod ID from the file")] = "",
) -> None:
    """Note what is asked for. Raises PodError for what makes no sense."""
    if pod and pod_id_file:
        raise PodError("cannot specify both --pod and --pod-id-file")
    if pod.startswith("new:") and not pod[4:]:
        raise PodError("new pod name must be at least one character")
    request.pod_name = pod
    if pod_id_file:
        from pod.pods import chooser

        request.pod_name = chooser.read_id(pod_id_file)
