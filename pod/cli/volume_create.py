"""`pod volume create`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    name: Annotated[str, Argument(metavar="[NAME]", help="The name, made up if not given")] = "",
    driver: Annotated[str, Option("--driver", "-d", metavar="string", help="Specify volume driver name")] = "local",
    gid: Annotated[int | None, Option("--gid", metavar="int", min=0, help="Set the GID of the volume owner")] = None,
    ignore: Annotated[bool, Option("--ignore", help="Don't fail if volume already exists")] = False,
    label: Annotated[
        list[str] | None, Option("--label", "-l", metavar="stringArray", help="Set metadata for a volume (key=value)")
    ] = None,
    opt: Annotated[
        list[str] | None,
        Option("--opt", "-o", metavar="stringArray", help="Set driver specific options (type=, device=, o=)"),
    ] = None,
    uid: Annotated[int | None, Option("--uid", metavar="int", min=0, help="Set the UID of the volume owner")] = None,
) -> None:
    """Create a new volume."""
    from pod import volumes
    from pod.engine import open_engine
    from pod.errors import PodError
    from pod.values import parse_pair

    if driver != "local":
        raise PodError(
            f'volume driver "{driver}": no volume plugin with that name is configured: required plugin missing',
            hint="volumes are of the driver local",
        )
    labels = dict(parse_pair(item, "label") for item in label or [])
    options = dict(parse_pair(item, "volume option") for item in opt or [])
    owner = (uid or 0, gid or 0)
    print(volumes.create(open_engine(write=True), name, labels=labels, options=options, ignore=ignore, owner=owner))
