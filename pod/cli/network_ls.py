"""`pod network ls`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option


def main(
    filter: Annotated[
        list[str] | None, Option("--filter", "-f", metavar="stringArray", help="Provide filter values")
    ] = None,
    format: Annotated[
        str, Option("--format", metavar="string", help="Pretty-print networks to JSON or using a Go template")
    ] = "",
    no_trunc: Annotated[bool, Option("--no-trunc", help="Do not truncate the network ID")] = False,
    noheading: Annotated[bool, Option("--noheading", "-n", help="Do not print headers")] = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="Display only names")] = False,
) -> None:
    """List networks."""
    from pod.cli import output
    from pod.engine import open_engine
    from pod.networks import listing
    from pod.networks.inspect import document

    found = listing.chosen(open_engine(write=False), filter or [])
    if quiet:
        output.write("".join(f"{network.name}\n" for network in found))
        return
    if output.is_json(format):
        output.write(output.to_json([document(network) for network in found], indent="  ") + "\n")
        return
    rows = []
    for network in found:
        labels = network.document.get("labels") or {}
        rows.append(
            {
                **{
                    "".join(word.capitalize() for word in key.split("_")): value
                    for key, value in document(network).items()
                },
                "ID": network.id if no_trunc else network.id[:12],
                "Name": network.name,
                "Driver": network.driver,
                "Labels": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
                "IPv6Enabled": network.document["ipv6_enabled"],
                "DNSEnabled": network.has_names,
            }
        )
    if format:
        output.print_rows(rows, format, entity="network", headers={"ID": "NETWORK ID"}, noheading=noheading)
    else:
        cells = [[str(row[name]) for name in ("ID", "Name", "Driver")] for row in rows]
        output.print_table(("NETWORK ID", "NAME", "DRIVER"), cells, noheading=noheading)
