"""Flags on who talks to a registry, and whether it must prove who it is."""

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
    creds: Annotated[
        str,
        Option(
            "--creds",
            metavar="Credentials",
            help="Credentials (USERNAME:PASSWORD) to use for authenticating to a registry",
        ),
    ] = "",
    tls_verify: Annotated[
        bool | None,
        Option("--tls-verify", help="Require HTTPS and verify certificates when contacting registries"),
    ] = None,
) -> None:
    """Note what is asked for."""
    target.registry.update(creds=creds, tls_verify=tls_verify)
