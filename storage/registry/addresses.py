"""Hosts, URLs and proxies: which of them may be asked, and how (pure; no name is resolved here)."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from storage.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Mapping

DOCKER_HOST = "registry-1.docker.io"
_PORTS = {"http": 80, "https": 443}
_LINK = re.compile(r"<([^<>]*)>([^<]*)")


def host_of(domain: str) -> str:
    """Give the HOST[:PORT] that serves a reference's domain."""
    return DOCKER_HOST if domain in ("docker.io", "index.docker.io") else domain


def is_loopback(host: str) -> bool:
    """Tell whether HOST[:PORT] is this machine by its very name: localhost, 127.0.0.0/8, ::1."""
    name = urlsplit(f"//{host}").hostname or ""
    address = _address(name)
    return name == "localhost" or (address is not None and address.is_loopback)


def shown(url: str) -> str:
    """Give a URL for a message: without user, password, query and fragment, which may hold secrets."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        text = f"{parts.scheme}://{host}{parts.path}"
    except ValueError:
        return "(malformed URL)"
    return text if text.isprintable() and len(text) < 1000 else ascii(text[:1000])[1:-1]


def origin(url: str) -> tuple[str, str, int]:
    """Give scheme, host and port: what must be the same for credentials to be sent along."""
    parts = _split(url)
    return parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme]


def redirected(url: str, location: str) -> str:
    """Resolve a Location header; refuse other schemes, and http after https. A user and password in it are dropped."""
    try:
        target = _split(urljoin(url, location))
    except ValueError:
        raise RegistryError(f"{shown(url)}: redirect to a malformed address") from None
    if urlsplit(url).scheme == "https" and target.scheme == "http":
        raise RegistryError(f"{shown(url)}: refusing redirect from https to {shown(target.geturl())}")
    return target._replace(netloc=target.netloc.rpartition("@")[2], fragment="").geturl()


def next_page(link: str) -> str:
    """Give the address of the next page by a Link header (RFC 8288), which may be relative; none is ""."""
    for address, parameters in _LINK.findall(link):
        for parameter in parameters.split(";"):
            name, _, value = parameter.strip(" ,").partition("=")
            if name.strip().lower() == "rel" and "next" in value.strip(" \"'").lower().split():
                return str(address)
    return ""


def check_realm(realm: str, registry_url: str, *, allow_http: bool) -> None:
    """Refuse a token server that the registry has no business to send us to.

    The registry chooses this address, and credentials go there: so https (but for insecure registries), and no address
    of this machine or its private network unless the registry itself is at that host.
    """
    try:
        scheme, host, _ = origin(realm)
    except ValueError:
        raise RegistryError("registry names a malformed token server") from None
    if "@" in urlsplit(realm).netloc:
        raise RegistryError(f"refusing token server {shown(realm)}: its address has a user name")
    if scheme != "https" and not allow_http:
        raise RegistryError(f"refusing token server {shown(realm)}: not https")
    if host == origin(registry_url)[1]:
        return
    address = _address(host)
    if host == "localhost" or host.endswith(".localhost") or (address is not None and not address.is_global):
        raise RegistryError(f"refusing token server {shown(realm)}: an address of this machine or a private network")


def proxy_for(url: str, environment: Mapping[str, str]) -> str | None:
    """Give the proxy for a URL by HTTPS_PROXY, HTTP_PROXY and NO_PROXY (either case); loopback is never proxied."""
    scheme, host, port = origin(url)
    proxy = _variable(environment, f"{scheme}_proxy")
    if not proxy or is_loopback(f"[{host}]" if ":" in host else host) or _bypassed(host, port, environment):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _bypassed(host: str, port: int, environment: Mapping[str, str]) -> bool:
    entries = _variable(environment, "no_proxy").lower().split(",")
    return any(_matches(entry.strip(), host, port) for entry in entries)


def _matches(entry: str, host: str, port: int) -> bool:
    if not entry:
        return False
    if entry == "*":
        return True
    address = _address(host)
    if address is not None:
        try:
            return address in ipaddress.ip_network(entry.strip("[]"), strict=False)
        except ValueError:
            return entry in (f"{host}:{port}", f"[{host}]:{port}")
    name, _, wanted = entry.partition(":")
    if wanted and wanted != str(port):
        return False
    name = name.removeprefix("*")
    return host.endswith(name) if name.startswith(".") else host == name or host.endswith(f".{name}")


def _variable(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name) or environment.get(name.upper()) or ""


def _split(url: str) -> SplitResult:
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname or not url.isprintable():
        raise ValueError(shown(url))
    _ = parts.port  # raises ValueError when it is no number
    return parts


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(unquote(name).partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
