"""Flags on what is done when a registry fails, of the commands that write to one or ask it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any, Protocol

    from typer import Option

    class Target(Protocol):
        """Whatever takes what the flags say."""

        registry: dict[str, Any]  # arguments for registries.options


def declare(
    target: Target,
    *,
    retry: Annotated[
        int | None,
        Option("--retry", metavar="uint", min=0, help="Number of times to retry in case of failure"),
    ] = None,
    retry_delay: Annotated[
        str, Option("--retry-delay", metavar="string", help="Delay between retries in case of failure")
    ] = "",
) -> None:
    """Note what is asked for."""
    target.registry.update(retry=retry, retry_delay=retry_delay)
