"""`pod generate spec`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    container: Annotated[str, Argument(metavar="CONTAINER", help="Name or ID")],
    compact: Annotated[
        bool, Option("--compact", "-c", help="Print the json in a compact format for consumption")
    ] = False,
    filename: Annotated[
        str, Option("--filename", "-f", metavar="string", help="Write output to the specified path")
    ] = "",
    name: Annotated[bool, Option("--name", "-n", help="Specify a new name for the generated spec")] = True,
) -> None:
    """Generate Specgen JSON based on container."""
    import json

    from pod import state
    from pod.cli import output
    from pod.containers.inspect import specgen
    from pod.engine import open_engine

    found = state.find_container(open_engine(write=False).connection, container)
    document = specgen.document(found, name=f"{found.name}-clone" if name else found.name)
    text = json.dumps(document, indent=None if compact else 1, separators=(",", ":" if compact else ": ")) + "\n"
    if filename:
        with open(filename, "w", encoding="utf-8") as file:
            file.write(text)
        print(filename)
    else:
        output.write(text)
