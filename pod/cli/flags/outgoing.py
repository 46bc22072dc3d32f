"""Flags on how images are written: their compression and format, and what is not done to them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any, Protocol

    from typer import Option

    class Target(Protocol):
        """Whatever takes what the flags say."""

        request: dict[str, Any]  # arguments for pushes.request
        sign_by: str  # a key of gpg
        remove_signatures: bool


def declare(
    target: Target,
    *,
    compression_format: Annotated[
        str,
        Option("--compression-format", metavar="string", help="Compression format to use (gzip, zstd, zstd:chunked)"),
    ] = "",
    compression_level: Annotated[
        int | None, Option("--compression-level", metavar="int", help="Compression level to use")
    ] = None,
    encrypt_layer: Annotated[
        list[int] | None, Option("--encrypt-layer", metavar="ints", help="Layers to encrypt (not supported)")
    ] = None,
    encryption_key: Annotated[
        list[str] | None, Option("--encryption-key", metavar="strings", help="Key to encrypt with (not supported)")
    ] = None,
    force_compression: Annotated[
        bool | None,
        Option("--force-compression", help="Compress anew also what the destination has compressed otherwise"),
    ] = None,
    format: Annotated[
        str,
        Option("--format", "-f", metavar="string", help="Manifest type (oci or v2s2) to use in the destination"),
    ] = "",
    remove_signatures: Annotated[
        bool, Option("--remove-signatures", help="Discard any pre-existing signatures in the image")
    ] = False,
    sign_by: Annotated[
        str, Option("--sign-by", metavar="string", help="Add a signature at the destination using the specified key")
    ] = "",
    sign_by_sigstore: Annotated[
        str, Option("--sign-by-sigstore", metavar="PATH", help="Sign with sigstore as a file says (not supported)")
    ] = "",
    sign_by_sigstore_private_key: Annotated[
        str,
        Option("--sign-by-sigstore-private-key", metavar="PATH", help="Sign with a sigstore key (not supported)"),
    ] = "",
    sign_passphrase_file: Annotated[
        str, Option("--sign-passphrase-file", metavar="PATH", help="Passphrase for a signing key (not supported)")
    ] = "",
) -> None:
    """Note what is asked for. Raises PodError for what is not done."""
    from pod.errors import PodError

    signing = {
        "--sign-by-sigstore": sign_by_sigstore,
        "--sign-by-sigstore-private-key": sign_by_sigstore_private_key,
        "--sign-passphrase-file": sign_passphrase_file,
    }
    for flag, value in signing.items():
        if value:
            raise PodError(f"{flag}: signing with sigstore is not supported", hint="sign what was pushed: cosign sign")
    if encryption_key or encrypt_layer:
        raise PodError(
            f"{'--encryption-key' if encryption_key else '--encrypt-layer'}: encrypting images is not supported",
            hint="encrypt what was pushed into another one: skopeo copy --encryption-key",
        )
    target.sign_by = sign_by
    target.remove_signatures = remove_signatures
    target.request = {
        "format": format,
        "compression": compression_format,
        "level": compression_level,
        "force": force_compression,
    }
