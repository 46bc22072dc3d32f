"""Flags on the network."""

from __future__ import annotations

from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option

    from pod.containers.create import CreateOptions


def declare(
    options: CreateOptions,
    *,
    network: Annotated[
        str, Option("--network", "--net", metavar="string", help="Connect the container to a network (none, host)")
    ] = "",
) -> None:
    """Note what is asked for. Raises PodError for what makes no sense."""
    if network not in ("", "private", "none", "host"):
        raise PodError(f'network "{network}" is not known: network not found', hint="known are none, host and private")
    options.namespaces["network"] = network or "private"
