"""Flags on which image is pulled, and how: those of `pull`, `run`, `create` and `build`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any, Protocol

    from typer import Option

    class Target(Protocol):
        """Whatever takes what the flags say."""

        registry: dict[str, Any]  # arguments for registries.options
        platform: dict[str, str]  # and for registries.platform, empty for that of the machine
        quiet: bool
        signature_policy: str  # the policy.json that is named, empty for the usual one


def declare(
    target: Target,
    *,
    arch: Annotated[
        str,
        Option(
            "--arch",
            "--override-arch",
            metavar="ARCH",
            help="Use ARCH instead of the architecture of the machine for choosing images",
        ),
    ] = "",
    decryption_key: Annotated[
        list[str] | None,
        Option("--decryption-key", metavar="strings", help="Key needed to decrypt the image (not supported)"),
    ] = None,
    disable_content_trust: Annotated[
        bool, Option("--disable-content-trust", help="This is a Docker specific option and is a NOOP")
    ] = False,
    os: Annotated[
        str,
        Option("--os", "--override-os", metavar="OS", help="Use OS instead of the running OS for choosing images"),
    ] = "",
    platform: Annotated[
        str,
        Option(
            "--platform",
            metavar="string",
            help="Specify the platform for selecting the image. (Conflicts with arch and os)",
        ),
    ] = "",
    quiet: Annotated[bool, Option("--quiet", "-q", help="Suppress output information when pulling images")] = False,
    retry: Annotated[
        int | None,
        Option(
            "--retry", metavar="uint", min=0, help="Number of times to retry in case of failure when performing pull"
        ),
    ] = None,
    retry_delay: Annotated[
        str,
        Option("--retry-delay", metavar="string", help="Delay between retries in case of pull failures"),
    ] = "",
    signature_policy: Annotated[
        str,
        Option("--signature-policy", metavar="string", help="Path of a signature policy file to use (policy.json)"),
    ] = "",
    variant: Annotated[
        str,
        Option(
            "--variant",
            "--override-variant",
            metavar="string",
            help="Use VARIANT instead of the running architecture variant for choosing images",
        ),
    ] = "",
) -> None:
    """Note what is asked for. Raises PodError for what makes no sense."""
    if decryption_key:
        from pod.errors import PodError

        raise PodError(
            "--decryption-key: encrypted images are not supported",
            hint="decrypt it into another one: skopeo copy --decryption-key",
        )
    if platform and (arch or os or variant):
        from pod.errors import PodError

        raise PodError("--platform option can not be specified with --arch or --os")
    target.quiet = quiet
    target.signature_policy = signature_policy
    if platform or arch or os or variant:
        target.platform = {"text": platform, "arch": arch, "os": os, "variant": variant}
    target.registry.update(retry=retry, retry_delay=retry_delay)
