"""`pod cp`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    source: Annotated[str, Argument(metavar="[CONTAINER:]SRC_PATH", help="What to copy, - for a tar on stdin")],
    destination: Annotated[str, Argument(metavar="[CONTAINER:]DEST_PATH", help="Where to, - for a tar on stdout")],
    archive: Annotated[
        bool,
        Option("--archive", "-a", help="Chown copied files to the primary uid/gid of the destination container"),
    ] = True,
    overwrite: Annotated[
        bool, Option("--overwrite", help="Allow to overwrite directories with non-directories and vice versa")
    ] = False,
) -> None:
    """Copy files or folders between a container and the local filesystem."""
    import os

    from pod.containers.copying import cp
    from pod.engine import open_engine
    from pod.errors import PodError

    ends = cp.parse_both(source, destination)
    if ends[0].is_stream and os.isatty(0):
        raise PodError("cannot read from terminal, use command-line redirection")
    if ends[1].is_stream and os.isatty(1):
        raise PodError("refusing to write a tar to the terminal", hint="redirect the output to a file or a command")
    cp.copy(open_engine(write=True), *ends, archive=archive, overwrite=overwrite)
