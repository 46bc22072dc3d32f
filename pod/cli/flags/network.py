"""Flags on the network."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option

    from pod.containers.create import CreateOptions


def declare(
    options: CreateOptions,
    *,
    network: Annotated[
        str,
        Option(
            "--network",
            "--net",
            metavar="string",
            help="Connect the container to a network (none, host, container:ID, ns:PATH)",
        ),
    ] = "",
) -> None:
    """Note what is asked for. Raises PodError for what makes no sense."""
    if network not in ("", "private", "none", "host"):
        from pod.containers import namespaces

        namespaces.check("network", network)
    options.namespaces["network"] = network
