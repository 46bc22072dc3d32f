"""The resolv.conf of a container (pure): from the host's, the flags --dns*, and the networks that it is on.

Source: resolv.conf(5), podman-run(1).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.containers.configuration import NetworkSettings

HOST = "/etc/resolv.conf"
# systemd-resolved: what it asks itself, where /etc/resolv.conf has nothing but its own loopback address.
RESOLVED = "/run/systemd/resolve/resolv.conf"
_STUB = "127.0.0.53"
# What podman falls back to.
_PUBLIC = ["8.8.8.8", "8.8.4.4"]


class ResolvConf:
    """What a resolv.conf says."""

    __slots__ = ("options", "searches", "servers")

    def __init__(self, servers: list[str], searches: list[str], options: list[str]) -> None:
        self.servers = servers
        self.searches = searches
        self.options = options

    def reached_by(self, forwarder: str) -> ResolvConf:
        """Return what holds where another address leads to the host's loopback; nothing changes if that is empty."""
        if not forwarder:
            return self
        servers = [forwarder if server.startswith("127.") else server for server in self.servers]
        return ResolvConf(list(dict.fromkeys(servers)), self.searches, self.options)

    def text(self) -> str:
        """Return the content of the file."""
        lines = [f"search {' '.join(self.searches)}"] if self.searches else []
        lines += [f"nameserver {server}" for server in self.servers]
        lines += [f"options {' '.join(self.options)}"] if self.options else []
        return "".join(f"{line}\n" for line in lines)


def parse(text: str) -> ResolvConf:
    """Return what a file says; of several lines of search domains the last counts."""
    found = ResolvConf([], [], [])
    for line in text.splitlines():
        word, *values = line.split() or [""]
        if word == "nameserver" and values:
            found.servers.append(values[0])
        elif word in ("search", "domain"):
            found.searches = values
        elif word == "options":
            found.options += values
    return found


def asked(network: NetworkSettings, settings: dict[str, Any]) -> ResolvConf:
    """Return what containers.conf and the flags ask for, in this order, as podman has it."""
    servers = [one for one in settings.get("dns_servers") or [] if one != "none"]
    searches = [*(settings.get("dns_searches") or []), *network["dns_search"]]
    options = [*(settings.get("dns_options") or []), *network["dns_options"]]
    return ResolvConf([*servers, *network["dns_servers"]], searches, options)


def is_stub(text: str) -> bool:
    """Tell whether systemd-resolved's own address is the only server, so that RESOLVED tells more."""
    return parse(text).servers == [_STUB]


def for_container(
    host: ResolvConf,
    asked: ResolvConf,
    *,
    own: list[str],
    domain: str = "",
    shares_host: bool = False,
) -> ResolvConf:
    """Return what a container's file says.

    `own`: addresses of the resolver that answers the container (it knows the other servers itself); `asked`: what is to
    be in place of the host's, "." for no search domain; `domain`: where the container's networks have their names;
    `shares_host`: it has the host's network, with all that listens there.
    """
    if own:
        found = own
    elif asked.servers:
        found = asked.servers
    elif shares_host:
        found = host.servers
    else:
        found = [server for server in host.servers if not _is_local(server)] or _PUBLIC
    wanted = asked.searches or host.searches
    if "." in asked.searches:
        wanted = []
    elif domain:
        wanted = [domain, *(search for search in wanted if search != domain)]
    return ResolvConf(found, wanted, asked.options or host.options)


def _is_local(server: str) -> bool:
    """Tell whether a server is reached from the host alone: on its loopback, or by the name of a device of its own."""
    return server.startswith("127.") or server == "::1" or "%" in server
