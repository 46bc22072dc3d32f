"""`pod save`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    images: Annotated[list[str], Argument(metavar="IMAGE [IMAGE...]")],
    compress: Annotated[
        bool,
        Option(
            "--compress",
            help="Compress tarball image layers when saving to a directory using the 'dir' transport. "
            "(default is not to compress)",
        ),
    ] = False,
    format: Annotated[
        str,
        Option(
            "--format",
            metavar="string",
            help="Save image to oci-archive, oci-dir (directory with oci manifest type), docker-archive, docker-dir "
            "(directory with v2s2 manifest type)",
        ),
    ] = "docker-archive",
    multi_image_archive: Annotated[
        bool | None,
        Option(
            "--multi-image-archive",
            "-m",
            help="Interpret additional arguments as images not tags and create a multi-image-archive "
            "(only for docker-archive)",
        ),
    ] = None,
    output: Annotated[
        str,
        Option(
            "--output",
            "-o",
            metavar="string",
            help="Write to a specified file (default: stdout, which must be redirected)",
        ),
    ] = "",
    quiet: Annotated[bool, Option("--quiet", "-q", help="Suppress the output")] = False,
    signature_policy: Annotated[
        str,
        Option("--signature-policy", metavar="string", help="Path of a signature policy file to use (policy.json)"),
    ] = "",
    uncompressed: Annotated[
        bool, Option("--uncompressed", help="Accept uncompressed layers when copying OCI images")
    ] = False,
) -> None:
    """Save an image to docker-archive or oci-archive on the local machine. Default is docker-archive."""
    import os
    from dataclasses import replace

    from pod.cli.progress import display
    from pod.engine import open_engine
    from pod.errors import PodError
    from pod.images.saving import Saving, save

    asked = Saving(output, format, multi_image_archive is True, compress, uncompressed, signature_policy)
    asked.check(images)
    if asked.to_stdout and os.isatty(1):
        raise PodError("refusing to save to terminal. Use -o flag or redirect", hint="pod save -o FILE IMAGE")
    engine = open_engine(write=True)
    if multi_image_archive is None and engine.config.engine.get("multi_image_archive") is True:
        asked = replace(asked, several=True)
    save(engine, images, asked, lambda: display(quiet=quiet))
