"""`pod push`."""

from __future__ import annotations

from pod.cli import flags as groups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument, Option

SHARED = ("pod.cli.flags.credentials", "pod.cli.flags.access", "pod.cli.flags.retrying", "pod.cli.flags.outgoing")


class Asked:
    """What the flags of the shared groups come to."""

    def __init__(self) -> None:
        self.registry: dict[str, Any] = {}
        self.request: dict[str, Any] = {}
        self.sign_by = ""
        self.remove_signatures = False


def main(
    image: Annotated[str, Argument(metavar="IMAGE")],
    destination: Annotated[str, Argument(metavar="[DESTINATION]")] = "",
    all: Annotated[
        bool, Option("--all", help="Push a list with all its images, not just that of this machine")
    ] = False,
    cert_dir: Annotated[
        str,
        Option("--cert-dir", metavar="string", help="Path to a directory containing TLS certificates and keys"),
    ] = "",
    compress: Annotated[
        bool,
        Option("--compress", help="Compress layers when pushing to a directory using the 'dir' transport"),
    ] = False,
    digestfile: Annotated[
        str, Option("--digestfile", metavar="string", help="Write the digest of the pushed image to the specified file")
    ] = "",
    disable_content_trust: Annotated[
        bool, Option("--disable-content-trust", help="This is a Docker specific option and is a NOOP")
    ] = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="Suppress output information when pushing images")] = False,
    **flags: Any,
) -> None:
    """Push an image to a specified destination."""
    from pod import registries
    from pod.cli.progress import display
    from pod.engine import open_engine
    from pod.images import pushes

    asked = Asked()
    groups.apply(SHARED, flags, asked)
    asked.registry["cert_dir"] = cert_dir
    request = pushes.request(**asked.request, compress=compress)
    target = pushes.target(image, destination)
    engine = open_engine(write=True)
    push = pushes.Push(
        engine,
        registries.options(engine.config, **asked.registry),
        request,
        asked.sign_by,
        remove_signatures=asked.remove_signatures,
    )
    with display(quiet=quiet) as shown:
        digest = push.any(image, target, shown, all=all)
    write_digest(digestfile, digest)


def write_digest(path: str, digest: str) -> None:
    """Write the digest of what was pushed to a file, if one is named."""
    if path:
        with open(path, "w", encoding="ascii") as file:
            file.write(digest)
