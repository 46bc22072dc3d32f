"""`pod commit`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument, Option


def main(
    container: Annotated[str, Argument(metavar="CONTAINER", help="Name or ID")],
    image: Annotated[str, Argument(metavar="[IMAGE]", help="The name of the new image")] = "",
    author: Annotated[
        str, Option("--author", "-a", metavar="string", help="Set the author for the image committed")
    ] = "",
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
    config: Annotated[
        str,
        Option("--config", metavar="file", help="File with a container configuration (JSON) to merge into the image"),
    ] = "",
    format: Annotated[
        str, Option("--format", "-f", metavar="Format", help="Format of the image manifest and metadata (oci, docker)")
    ] = "oci",
    iidfile: Annotated[str, Option("--iidfile", metavar="file", help="File to write the image ID to")] = "",
    include_volumes: Annotated[
        bool, Option("--include-volumes", help="Include container volumes as image volumes")
    ] = False,
    message: Annotated[
        str, Option("--message", "-m", metavar="string", help="Set commit message for imported image")
    ] = "",
    pause: Annotated[bool, Option("--pause", "-p", help="Pause container during commit")] = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="Suppress output")] = False,
    squash: Annotated[bool, Option("--squash", "-s", help="Squash newly built layers into a single new layer")] = False,
) -> None:
    """Create new image based on the changed container."""
    from pod import state
    from pod.cli.progress import display
    from pod.containers.tree.commit import CommitOptions, commit
    from pod.engine import open_engine

    options = CommitOptions(
        image,
        author,
        change or [],
        read_config(config) if config else {},
        include_volumes,
        message,
        format,
        pause,
        squash,
    )
    engine = open_engine(write=True)
    with display(quiet=quiet) as shown:
        made = commit(engine, state.find_container(engine.connection, container), options)
        shown.note(f"Copying blob {made.layers[-1]}")
        shown.note(f"Copying config sha256:{made.id}")
        shown.note("Writing manifest to image destination")
    if iidfile:
        with open(iidfile, "w", encoding="ascii") as file:
            file.write(f"sha256:{made.id}")
    print(made.id)


def read_config(path: str) -> dict[str, Any]:
    """Return the fields of an image's config that a file holds. Raises PodError for one that is none."""
    import json

    from pod.errors import PodError

    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
    except ValueError as error:
        raise PodError(f"decoding image config from {path}: {error}") from error
    if not isinstance(document, dict):
        raise PodError(f"decoding image config from {path}: not a JSON object")
    return document
