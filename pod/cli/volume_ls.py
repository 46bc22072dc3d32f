"""`pod volume ls`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option


def main(
    filter: Annotated[
        list[str] | None, Option("--filter", "-f", metavar="stringArray", help="Filter volume output")
    ] = None,
    format: Annotated[
        str, Option("--format", metavar="string", help="Format volume output using JSON or a Go template")
    ] = "",
    noheading: Annotated[bool, Option("--noheading", "-n", help="Do not print headers")] = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="Print volume output in quiet mode")] = False,
) -> None:
    """List volumes."""
    from pod import state
    from pod.cli import output
    from pod.engine import open_engine

    engine = open_engine(write=False)
    found = state.volumes(engine.connection)
    if filter:
        from pod.volumes.filters import chosen

        found = chosen(engine, found, filter)
    if quiet:
        output.write("".join(f"{volume.name}\n" for volume in found))
    elif format:
        from pod.containers.inspect.document import inspect_volume

        rows = [inspect_volume(engine, volume) for volume in found]
        output.print_rows(rows, format, entity="ls", headers={"Name": "VOLUME NAME"}, noheading=noheading)
    elif found:
        rows_of_text = [["local", volume.name] for volume in found]
        output.print_table(("DRIVER", "VOLUME NAME"), rows_of_text, noheading=noheading)
