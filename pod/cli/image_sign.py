"""`pod image sign`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    images: Annotated[list[str], Argument(metavar="IMAGE [IMAGE...]")],
    all: Annotated[bool, Option("--all", "-a", help="Sign all the manifests of the multi-architecture image")] = False,
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
    directory: Annotated[
        str, Option("--directory", "-d", metavar="string", help="Define an alternate directory to store signatures")
    ] = "",
    sign_by: Annotated[str, Option("--sign-by", metavar="string", help="Name of the signing key")] = "",
) -> None:
    """Create a signature file that can be used later to verify the image."""
    import os

    from pod import config, registries
    from pod.errors import PodError
    from pod.images import signing
    from pod.settings import current

    if not sign_by:
        raise PodError("please provide an identity", hint="--sign-by names a key of gpg")
    if directory and not os.path.isdir(directory):
        raise PodError(f"stat {directory}: no such file or directory")
    if authfile and not os.path.exists(authfile):
        raise PodError(f"stat {authfile}: no such file or directory")
    for image in images:
        signing.named(image)
    settings = config.load(current)
    options = registries.options(settings, authfile=authfile, cert_dir=cert_dir)
    for image in images:
        signing.sign(settings, image, options, key=sign_by, directory=directory, each=all)
