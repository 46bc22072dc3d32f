"""`pod volume create`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    name: Annotated[str, Argument(metavar="[NAME]", help="The name, made up if not given")] = "",
    driver: Annotated[str, Option("--driver", "-d", metavar="string", help="Volume driver (local)")] = "local",
    ignore: Annotated[bool, Option("--ignore", help="Do not fail if the volume already exists")] = False,
    label: Annotated[
        list[str] | None, Option("--label", "-l", metavar="stringArray", help="Set metadata for a volume (key=value)")
    ] = None,
) -> None:
    """Create a new volume."""
    from pod import volumes
    from pod.engine import open_engine
    from pod.errors import PodError
    from pod.values import parse_pair

    if driver != "local":
        raise PodError(f'volume driver "{driver}" is not known', hint="only local volumes are supported")
    labels = dict(parse_pair(item, "label") for item in label or [])
    print(volumes.create(open_engine(write=True), name, labels=labels, options={}, ignore=ignore))
