"""`pod history`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument, Option

COMMAND_WIDTH = 45
HEADERS = {"ID": "ID", "CreatedBy": "CREATED BY", "CreatedAt": "CREATED AT", "CreatedSince": "CREATED SINCE"}


def main(
    image: Annotated[str, Argument(metavar="IMAGE")],
    format: Annotated[
        str, Option("--format", metavar="string", help="Change the output to JSON or a Go template")
    ] = "",
    human: Annotated[bool, Option("--human", "-H", help="Display sizes and dates in human readable format")] = True,
    no_trunc: Annotated[bool, Option("--no-trunc", "--notruncate", help="Do not truncate the output")] = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="Display the numeric IDs only")] = False,
) -> None:
    """Displays the history of an image."""
    from pod.cli import output
    from pod.engine import open_engine
    from pod.images import views as image_views
    from storage import images

    store = open_engine(write=False).store
    steps = image_views.history(store, images.resolve(store, image))
    if format and output.is_json(format):
        from pod.template.values import to_json

        output.write(to_json([json_object(step) for step in steps]) + "\n")
        return
    rows = [row(step, human=human, no_trunc=no_trunc) for step in steps]
    if quiet:
        output.write("".join(f"{one['ID']}\n" for one in rows))
    elif format:
        output.print_rows(rows, format, entity="history", headers=HEADERS)
    else:
        fields = ("ID", "Created", "CreatedBy", "Size", "Comment")
        titles = ("ID", "CREATED", "CREATED BY", "SIZE", "COMMENT")
        output.print_table(titles, [[str(one[field]) for field in fields] for one in rows])


def row(step: dict[str, Any], *, human: bool, no_trunc: bool) -> dict[str, Any]:
    """Return what templates may ask of a step."""
    from pod.cli import output
    from pod.images.views import unix

    command = " ".join(step["created_by"].split("\n"))
    since = output.age(unix(step["created"]))
    if not no_trunc and len(command) > COMMAND_WIDTH:
        command = command[: COMMAND_WIDTH - 3] + "..."
    return {
        "ID": step["id"] if no_trunc else step["id"][:12],
        "Created": since if human else whole_seconds(step["created"]),
        "CreatedAt": whole_seconds(step["created"]),
        "CreatedSince": since,
        "CreatedBy": command,
        "Size": output.size(step["size"]) if human else str(step["size"]),
        "Comment": step["comment"],
        "Tags": step["tags"],
    }


def json_object(step: dict[str, Any]) -> dict[str, Any]:
    """Return what `--format json` prints for a step."""
    return {
        "id": step["id"],
        "created": step["created"],
        "CreatedBy": step["created_by"],
        "size": step["size"],
        "comment": step["comment"],
        "Created": whole_seconds(step["created"]),
        **({"tags": step["tags"]} if step["tags"] else {}),
    }


def whole_seconds(moment: str) -> str:
    """Return an RFC 3339 time without the fraction of its second."""
    from pod.images.views import unix
    from pod.template.values import Time

    return Time(int(unix(moment))).to_json()
