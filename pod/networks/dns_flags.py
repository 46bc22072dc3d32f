"""What --dns, --dns-search and --dns-option say. Source: podman-run(1)."""

from __future__ import annotations

from pod.errors import PodError
from pod.networks import subnets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def parse(servers: list[str], search: list[str], options: list[str]) -> dict[str, Any]:
    """Return keys of configuration.NetworkSettings. Raises PodError for what makes no sense."""
    servers, search, options = (
        [one for item in items for one in item.split(",") if one] for items in (servers, search, options)
    )
    own = "none" in servers
    if own and len(servers) > 1:
        raise PodError("none is not allowed to be specified with other DNS ip addresses")
    if own and (search or options):
        name = "DNSSearch" if search else "DNSOption"
        raise PodError(f"invalid config provided: UseImageResolvConf and {name} are mutually exclusive options")
    if "." in search and len(search) > 1:
        raise PodError("cannot pass additional search domains when also specifying '.'")
    for domain in search:
        if not _is_domain(domain):
            raise PodError(f"{domain} is not a valid domain")
    found = {"dns_servers": [] if own else [_server(one) for one in servers], "dns_search": search}
    return {**found, "dns_options": options, "resolv_conf": not own}


def _server(text: str) -> str:
    try:
        return subnets.normal(text)
    except ValueError:
        raise PodError(f"{text} is not an ip address") from None


def _is_domain(text: str) -> bool:
    if text == ".":
        return True
    labels = text.removesuffix(".").split(".")
    return len(text) < 256 and all(
        0 < len(label) < 64 and label.replace("-", "").replace("_", "").isalnum() and label.isascii()
        for label in labels
    )
