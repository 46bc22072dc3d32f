"""`pod image sign`."""

from __future__ import annotations

from pod.cli import flags as groups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument, Option

SHARED = ("pod.cli.flags.credentials",)


class Asked:
    """What the flags of the shared group come to."""

    def __init__(self) -> None:
        self.registry: dict[str, Any] = {}


def main(
    images: Annotated[list[str], Argument(metavar="IMAGE [IMAGE...]")],
    all: Annotated[bool, Option("--all", "-a", help="Sign all the manifests of the multi-architecture image")] = False,
    directory: Annotated[
        str, Option("--directory", "-d", metavar="string", help="Define an alternate directory to store signatures")
    ] = "",
    sign_by: Annotated[str, Option("--sign-by", metavar="string", help="Name of the signing key")] = "",
    **flags: Any,
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
    asked = Asked()
    groups.apply(SHARED, flags, asked)
    for image in images:
        signing.named(image)
    settings = config.load(current)
    options = registries.options(settings, **asked.registry)
    for image in images:
        signing.sign(settings, image, options, key=sign_by, directory=directory, each=all)
