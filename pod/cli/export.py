"""`pod export`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    container: Annotated[str, Argument(metavar="CONTAINER", help="Name or ID")],
    output: Annotated[
        str, Option("--output", "-o", metavar="string", help="Write to a specified file (default: stdout)")
    ] = "",
) -> None:
    """Export container's filesystem contents as a tar archive."""
    import os

    from pod import state
    from pod.containers.tree.export import export
    from pod.engine import open_engine
    from pod.errors import PodError

    if not output and os.isatty(1):
        raise PodError("refusing to export to terminal. Use -o flag or redirect", hint="pod export -o FILE CONTAINER")
    if ":" in output:
        raise PodError(f'invalid filename (should not contain ":") "{output}"')
    engine = open_engine(write=True)
    found = state.find_container(engine.connection, container)
    if not output or output == "/dev/stdout":
        export(engine, found, 1)
        return
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise PodError(f'creating file "{output}": open {output}: {reason}') from error
    try:
        export(engine, found, descriptor)
    except BaseException:
        os.unlink(output)  # half an archive looks like a whole one
        raise
    finally:
        os.close(descriptor)
