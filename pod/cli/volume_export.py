"""`pod volume export`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    volume: Annotated[str, Argument(metavar="VOLUME", help="The name")],
    output: Annotated[
        str, Option("--output", "-o", metavar="string", help="Write to a specified file (default: stdout)")
    ] = "",
) -> None:
    """Export volumes."""
    import os
    import sys

    from pod import state
    from pod.engine import open_engine
    from pod.errors import NoSuchVolumeError, PodError
    from pod.volumes.export import export

    if not output and os.isatty(1):
        raise PodError("cannot export to a terminal", hint="redirect the output, or name a file with -o")
    path = os.path.abspath(output) if output else ""
    engine = open_engine(write=True)
    try:
        found = state.find_volume(engine.connection, volume)
    except NoSuchVolumeError:
        raise PodError(f"no such volume {volume}") from None
    if not path:
        export(engine, found, sys.stdout.buffer)
        sys.stdout.flush()
        return
    try:
        with open(path, "wb") as file:
            export(engine, found, file)
    except OSError as error:
        if error.filename == path:
            cause = (error.strerror or "").lower()
            raise PodError(f"could not create tarball file '{output}': open {output}: {cause}") from error
        raise
