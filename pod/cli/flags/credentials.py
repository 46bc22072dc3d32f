"""Flags on the files with which a registry lets somebody in: credentials and certificates."""

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
    authfile: Annotated[
        str,
        Option(
            "--authfile",
            metavar="string",
            help="Path of the authentication file. Use REGISTRY_AUTH_FILE environment variable to override",
        ),
    ] = "",
    cert_dir: Annotated[
        str,
        Option("--cert-dir", metavar="Pathname", help="Pathname of a directory containing TLS certificates and keys"),
    ] = "",
) -> None:
    """Note what is asked for. Raises PodError for an auth file that is not there."""
    if authfile:
        from os import access

        if not access(authfile, 0):
            from pod.errors import PodError

            raise PodError(f"stat {authfile}: no such file or directory")
    target.registry.update(authfile=authfile, cert_dir=cert_dir)
