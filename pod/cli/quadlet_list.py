"""`pod quadlet list`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option

    from pod.config import Config

HEADERS = {
    "Name": "NAME",
    "UnitName": "UNIT NAME",
    "Path": "PATH ON DISK",
    "Status": "STATUS",
    "App": "APPLICATION",
    "Pod": "POD",
}


def main(
    filter: Annotated[
        list[str] | None,
        Option("--filter", "-f", metavar="stringArray", help="Filter output based on conditions given"),
    ] = None,
    format: Annotated[
        str, Option("--format", metavar="string", help="Pretty-print output to JSON or using a Go template")
    ] = "",
    noheading: Annotated[bool, Option("--noheading", "-n", help="Do not print headers")] = False,
) -> None:
    """List installed quadlets."""
    from pod import config as configuration
    from pod.cli import output
    from pod.quadlet import listing, places
    from pod.settings import current

    config = configuration.load(current)
    found = listing.chosen(places.of(config), filter or [], lambda services: _states(config, services))
    rows = [
        {
            "Name": one.name,
            "UnitName": one.service,
            "Path": one.path,
            "Status": one.status,
            "App": one.label,
            "Pod": one.pod,
        }
        for one in found
    ]
    if output.is_json(format):
        output.write(output.to_json(rows, indent="  ") + "\n")
    elif format:
        output.print_rows(rows, format, entity="ListQuadlet", headers=HEADERS, noheading=noheading)
    else:
        output.print_table(list(HEADERS.values()), [list(row.values()) for row in rows], noheading=noheading)


def _states(config: Config, services: list[str]) -> dict[str, str]:
    """Return the states that systemd knows; where there is none, nothing is loaded."""
    import sys

    from pod.quadlet.unit_states import Systemd
    from runtime.dbus.errors import BusError

    try:
        with Systemd(config) as systemd:
            return systemd.states(services)
    except BusError as error:
        sys.stderr.write(f"WARNING: the states of services are not known: {error}\n")
        return {}
