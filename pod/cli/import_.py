"""`pod import`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Annotated

    from typer import Argument, Option

CHUNK = 256 << 10


def main(
    path: Annotated[str, Argument(metavar="PATH")],
    reference: Annotated[str, Argument(metavar="[REFERENCE]")] = "",
    arch: Annotated[str, Option("--arch", metavar="string", help="Set the architecture of the imported image")] = "",
    change: Annotated[
        list[str] | None,
        Option(
            "--change",
            "-c",
            metavar="stringArray",
            help="Apply the following possible instructions to the created image: "
            "CMD | ENTRYPOINT | ENV | EXPOSE | LABEL | ONBUILD | STOPSIGNAL | USER | VOLUME | WORKDIR",
        ),
    ] = None,
    message: Annotated[
        str, Option("--message", "-m", metavar="string", help="Set commit message for imported image")
    ] = "",
    os: Annotated[str, Option("--os", metavar="string", help="Set the OS of the imported image")] = "",
    quiet: Annotated[bool, Option("--quiet", "-q", help="Suppress output")] = False,
    signature_policy: Annotated[
        str,
        Option("--signature-policy", metavar="string", help="Path of a signature policy file to use (policy.json)"),
    ] = "",
    variant: Annotated[str, Option("--variant", metavar="string", help="Set the variant of the imported image")] = "",
) -> None:
    """Create a container image from the contents of the specified tarball (.tar, .tar.gz, .tar.xz, .tar.zst)."""
    from pod import events, registries, trust
    from pod.cli.progress import display
    from pod.engine import open_engine
    from pod.images import changes as image_changes
    from storage import importer
    from storage.images import tag_name

    config = image_changes.config(change or ())
    name = tag_name(reference) if reference else None
    wanted = registries.platform(arch=arch, os=os, variant=variant)
    chunks = opened(path)
    engine = open_engine(write=True)
    trust.load(engine.config, registries.options(engine.config), signature_policy).check_tarball()
    with display(quiet=quiet) as shown:
        image = importer.import_tar(
            engine.store,
            chunks,
            reference=name,
            changes=config,
            message=message,
            source=path,
            platform=wanted,
            rootless=engine.config.rootless,
            single_id=engine.single_id,
        )
        events.record(engine.config, "image", "import", id=image.id, name=name or image.id)
        shown.note(f"Copying blob {image.layers[0]}")
        shown.note(f"Copying config sha256:{image.id}")
        shown.note("Writing manifest to image destination")
    print(f"sha256:{image.id}")


def opened(path: str) -> Iterator[bytes]:
    """Open what is to be imported, a file, an address or stdin (`-`), and return its bytes in chunks.

    Raises PodError for a terminal, and for a file that cannot be read.
    """
    import sys

    from pod.errors import PodError

    if path == "-":
        if sys.stdin.isatty():
            raise PodError("cannot read from terminal, use command-line redirection")
        return chunks_of(sys.stdin.fileno(), "stdin")
    if path.startswith(("http://", "https://")):
        return fetched(path)
    import os

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise PodError(f'error opening "{path}": open {path}: {(error.strerror or "").lower()}') from error
    return chunks_of(descriptor, path)


def chunks_of(descriptor: int, name: str) -> Iterator[bytes]:
    """Yield what a file descriptor gives. Raises StorageError, which a worker passes on as it is."""
    from posix import read

    from storage.errors import StorageError

    while True:
        try:
            chunk = read(descriptor, CHUNK)
        except OSError as error:
            raise StorageError(f'error reading "{name}": read {name}: {(error.strerror or "").lower()}') from error
        if not chunk:
            return
        yield chunk


def fetched(url: str) -> Iterator[bytes]:
    """Yield what an address gives; the connection is made by whoever reads, a worker of storage's.

    Raises StorageError for what cannot be had: only those come out of a worker as they are.
    """
    from pod.download import chunks
    from pod.errors import PodError
    from storage.errors import StorageError

    try:
        yield from chunks(url)
    except PodError as error:
        raise StorageError(str(error)) from error
