"""Flags on the network."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Option

    from pod.containers.create import CreateOptions


def declare(
    options: CreateOptions,
    *,
    dns: Annotated[
        list[str] | None,
        Option("--dns", metavar="strings", help="Set custom DNS servers, or none for the image's resolv.conf"),
    ] = None,
    dns_option: Annotated[
        list[str] | None, Option("--dns-option", "--dns-opt", metavar="strings", help="Set custom DNS options")
    ] = None,
    dns_search: Annotated[
        list[str] | None, Option("--dns-search", metavar="strings", help="Set custom DNS search domains, or . for none")
    ] = None,
    expose: Annotated[
        list[str] | None,
        Option("--expose", metavar="strings", help="Expose a port or a range of ports, for --publish-all"),
    ] = None,
    ip: Annotated[str, Option("--ip", metavar="string", help="Specify a static IPv4 address for the container")] = "",
    ip6: Annotated[str, Option("--ip6", metavar="string", help="Specify a static IPv6 address for the container")] = "",
    mac_address: Annotated[
        str, Option("--mac-address", metavar="string", help="Container MAC address (e.g. 92:d0:c6:0a:29:33)")
    ] = "",
    network: Annotated[
        list[str] | None,
        Option(
            "--network",
            "--net",
            metavar="stringArray",
            help="Connect the container to a network (bridge, NAME[:ip=,mac=,alias=,interface_name=], none, host,"
            " container:ID, ns:PATH, pasta[:OPTIONS])",
        ),
    ] = None,
    network_alias: Annotated[
        list[str] | None,
        Option("--network-alias", metavar="strings", help="Add network-scoped alias for the container"),
    ] = None,
    publish: Annotated[
        list[str] | None,
        Option(
            "--publish",
            "-p",
            metavar="strings",
            help="Publish a container's port, or a range of ports, to the host ([[IP:][HOSTPORT]:]PORT[/PROTOCOL])",
        ),
    ] = None,
    publish_all: Annotated[
        bool, Option("--publish-all", "-P", help="Publish all exposed ports to random ports on the host interface")
    ] = False,
) -> None:
    """Note what is asked for. Raises PodError for what makes no sense."""
    words = network or []
    lists = (dns, dns_option, dns_search, expose, network_alias, publish)
    if words in (["none"], ["host"]) and not (any(lists) or ip or ip6 or mac_address or publish_all):
        options.namespaces["network"] = words[0]
        return
    from pod.networks import flags

    asked = options.network = flags.NetworkRequest()
    asked.words, asked.mac = words, mac_address
    asked.addresses = [(flag, text) for flag, text in (("--ip", ip), ("--ip6", ip6)) if text]
    asked.aliases = [one for item in network_alias or [] for one in item.split(",") if one]
    flags.parse(asked)
    if publish or expose:
        from pod.networks import publishing

        asked.ports = [publishing.parse(text) for item in publish or [] for text in item.split(",") if text]
        asked.expose = [publishing.exposed(text) for item in expose or [] for text in item.split(",") if text]
    asked.settings = _settings(dns or [], dns_search or [], dns_option or [])
    if publish_all:
        asked.settings["publish_all"] = True


def _settings(servers: list[str], search: list[str], options: list[str]) -> dict[str, Any]:
    from pod.networks import dns_flags

    return dns_flags.parse(servers, search, options) if servers or search or options else {}
