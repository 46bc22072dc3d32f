"""`pod secret ls`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Option

    from pod.secret_rows import Secret

_HEADERS = {"CreatedAt": "CREATED", "UpdatedAt": "UPDATED"}


def main(
    filter: Annotated[
        list[str] | None, Option("--filter", "-f", metavar="stringArray", help="Filter secret output (id, name)")
    ] = None,
    format: Annotated[
        str, Option("--format", metavar="string", help="Format secret output using JSON or a Go template")
    ] = "",
    noheading: Annotated[bool, Option("--noheading", "-n", help="Do not print headers")] = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="Print secret IDs only")] = False,
) -> None:
    """List secrets."""
    from pod import filters, secret_rows
    from pod.cli import output
    from pod.engine import open_engine
    from pod.errors import PodError

    found = secret_rows.everything(open_engine(write=False).connection)
    for key, values in filters.parse(filter or []).items():
        if key not in ("name", "id"):
            raise PodError(f'invalid filter "{key}"', hint="known are id, name")
        found = [secret for secret in found if any(_fits(secret, key, value) for value in values)]
    if quiet:
        output.write("".join(f"{secret.id}\n" for secret in found))
        return
    rows = [_row(secret) for secret in found]
    if format:
        output.print_rows(rows, format, entity="ls", headers=_HEADERS, noheading=noheading)
    else:
        cells = [list(row.values()) for row in rows]
        output.print_table(("ID", "NAME", "DRIVER", "CREATED", "UPDATED"), cells, noheading=noheading)


def _fits(secret: Secret, key: str, value: str) -> bool:
    from pod.filters import matches

    return matches(value, secret.name) if key == "name" else secret.id.startswith(value)


def _row(secret: Secret) -> dict[str, Any]:
    import time

    from pod.cli import output

    ago = f"{output.duration(time.time() - secret.created)} ago"
    return {"ID": secret.id, "Name": secret.name, "Driver": secret.driver, "CreatedAt": ago, "UpdatedAt": ago}
