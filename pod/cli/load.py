"""`pod load`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option


def main(
    input: Annotated[
        str, Option("--input", "-i", metavar="string", help="Read from specified archive file (default: stdin)")
    ] = "",
    quiet: Annotated[bool, Option("--quiet", "-q", help="Suppress the output")] = False,
    signature_policy: Annotated[
        str,
        Option("--signature-policy", metavar="string", help="Path of a signature policy file to use (policy.json)"),
    ] = "",
) -> None:
    """Load images from an archive or a directory that `pod save`, podman, docker or skopeo wrote."""
    import os

    from pod import registries, trust
    from pod.cli.progress import display
    from pod.engine import open_engine
    from pod.errors import PodError
    from pod.images.loading import load

    path = None if input in ("", "-", "/dev/stdin") else input
    if path is None and os.isatty(0):
        raise PodError("cannot read from terminal, use command-line redirection or the --input flag")
    if path is not None and not os.path.exists(path):
        raise PodError(f"stat {path}: no such file or directory")
    engine = open_engine(write=True)
    trusted = trust.load(engine.config, registries.options(engine.config), signature_policy)
    loaded: list[str] = []
    with display(quiet=quiet) as shown:
        for image, names in load(engine, path, trust=trusted, progress=shown.progress):
            shown.end(image.id)
            loaded += names or (f"sha256:{image.id}",)
    for name in dict.fromkeys(loaded):
        print(f"Loaded image: {name}")
