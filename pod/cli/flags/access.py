"""Flags on how the registry is talked to that a command writes to or asks."""

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
        Option("--cert-dir", metavar="string", help="Path to a directory containing TLS certificates and keys"),
    ] = "",
    creds: Annotated[
        str,
        Option(
            "--creds",
            metavar="Credentials",
            help="Credentials (USERNAME:PASSWORD) to use for authenticating to a registry",
        ),
    ] = "",
    retry: Annotated[
        int | None,
        Option("--retry", metavar="uint", min=0, help="Number of times to retry in case of failure"),
    ] = None,
    retry_delay: Annotated[
        str, Option("--retry-delay", metavar="string", help="Delay between retries in case of failure")
    ] = "",
    tls_verify: Annotated[
        bool | None,
        Option("--tls-verify", help="Require HTTPS and verify certificates when contacting registries"),
    ] = None,
) -> None:
    """Note what is asked for. Raises PodError for an auth file that is not there."""
    if authfile:
        from os import access

        if not access(authfile, 0):
            from pod.errors import PodError

            raise PodError(f"stat {authfile}: no such file or directory")
    target.registry = {
        "authfile": authfile,
        "creds": creds,
        "cert_dir": cert_dir,
        "tls_verify": tls_verify,
        "retry": retry,
        "retry_delay": retry_delay,
    }
