"""`pod network ls`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Option

    from pod.networks.network import Network


def main(
    filter: Annotated[
        list[str] | None,
        Option("--filter", "-f", metavar="stringArray", help="Provide filter values (e.g. 'name=podman')"),
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
    rows = [_row(network, no_trunc=no_trunc) for network in found]
    if format:
        output.print_rows(rows, format, entity="network", headers={"ID": "NETWORK ID"}, noheading=noheading)
    else:
        cells = [[str(row[name]) for name in ("ID", "Name", "Driver")] for row in rows]
        output.print_table(("NETWORK ID", "NAME", "DRIVER"), cells, noheading=noheading)


def _row(network: Network, *, no_trunc: bool) -> dict[str, Any]:
    """Return what templates may ask for, with podman's names."""
    from pod.networks.inspect import document, for_template
    from pod.template.values import Time, record

    told = record(for_template(document(network)))
    names = ("NetworkInterface", "Subnets", "Routes", "Internal", "IPv6Enabled", "DNSEnabled", "NetworkDNSServers")
    labels = network.document.get("labels") or {}
    return {
        **{name: told[name] for name in (*names, "Options", "IPAMOptions")},
        "ID": network.id if no_trunc else network.id[:12],
        "Name": network.name,
        "Driver": network.driver,
        "Created": Time(network.created),
        "Labels": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
    }
