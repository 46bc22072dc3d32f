"""The files that a container gets from us: hosts, hostname, resolv.conf, .containerenv, localtime."""

from __future__ import annotations

import posix

from pod.containers.inside import hosts, resolv_conf
from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.containers.configuration import ContainerConfig

RESOLVER = "127.0.0.11"
_DOMAIN = "dns.podman"


class Reach:
    """How a container is reached on its networks, and what it reaches."""

    __slots__ = ("addresses", "forwarder", "host", "names", "names_answered")

    def __init__(
        self,
        addresses: list[str],
        names: list[str] | None = None,
        host: str = "",
        *,
        names_answered: bool = False,
        forwarder: str = "",
    ) -> None:
        self.addresses = addresses
        self.names = names or []  # beside hostname and name
        self.host = host  # the address by which it reaches the host; empty if it cannot
        self.names_answered = names_answered  # by its monitor, on a loopback address
        self.forwarder = forwarder  # the address that leads to a DNS server on the host's loopback; empty for none


def write(
    directory: str, config: ContainerConfig, settings: dict[str, Any], *, name: str, reach: Reach | None = None
) -> None:
    """Write the files of the container of this name into its directory of files.

    `settings` is the table [containers] of containers.conf.
    """
    identity = config["identity"]
    if identity["hosts_file"] != "image":
        write_hosts(directory, config, settings, _base(config), name=name, reach=reach)
    write_file(f"{directory}/hostname", f"{config['hostname']}\n")
    write_file(f"{directory}/containerenv", "")
    write_file(f"{directory}/resolv.conf", _resolv_conf(config, settings, reach))
    if identity["timezone"]:
        _write_zone(directory, identity["timezone"])


def _resolv_conf(config: ContainerConfig, settings: dict[str, Any], reach: Reach | None) -> str:
    """Return what resolv.conf says; who has the host's network and asks for nothing else has the host's file."""
    host, asked = _read(resolv_conf.HOST), resolv_conf.asked(config["network"], settings)
    shares = _has_host_network(config)
    if shares and not (asked.servers or asked.searches or asked.options):
        return host
    forwarder = reach.forwarder if reach else ""
    if not shares and not forwarder and resolv_conf.is_stub(host):
        host = _read(resolv_conf.RESOLVED) or host
    answered = reach is not None and reach.names_answered
    return resolv_conf.for_container(
        resolv_conf.parse(host).reached_by(forwarder),
        asked,
        own=[RESOLVER] if answered else [],
        domain=_DOMAIN if answered else "",
        shares_host=shares,
    ).text()


def asks_itself() -> bool:
    """Tell whether the DNS server that the host asks first, of those with IPv4 addresses, is on its own loopback."""
    servers = [server for server in resolv_conf.parse(_read(resolv_conf.HOST)).servers if ":" not in server]
    return bool(servers) and servers[0].startswith("127.")


def _base(config: ContainerConfig) -> str:
    """Return what hosts says beside what we add."""
    path = config["identity"]["hosts_file"]
    return "" if path == "none" else _read(path or "/etc/hosts")


def write_hosts(
    directory: str,
    config: ContainerConfig,
    settings: dict[str, Any],
    base: str,
    *,
    name: str,
    reach: Reach | None = None,
) -> None:
    """Write hosts: what --add-host says, the base, the host's names, and the container's own."""
    host = hosts.internal_address(settings)
    if host is None:
        host = reach.host if reach else host_address() or ("127.0.0.1" if _has_host_network(config) else "")
    added = []
    for item in config["identity"]["add_hosts"]:
        address, names = hosts.added(item)
        if address == hosts.GATEWAY:
            if not host:
                raise _no_gateway(item)
            address = host
        added.append((address, names))
    names = [config["hostname"], name]
    if reach and reach.addresses:
        own = [(address, [*names, *reach.names]) for address in reach.addresses]
    else:
        own = [("127.0.0.1", names)] if config["hostname"] not in base.split() else []
    write_file(f"{directory}/hosts", hosts.text(base, added=added, own=own, host=host))


def _has_host_network(config: ContainerConfig) -> bool:
    return config["namespaces"]["network"] == "host"


def _no_gateway(item: str) -> PodError:
    return PodError(
        f'unable to replace "host-gateway" of host entry "{item}": host containers internal IP address is empty',
        hint="write an address in its place: no network of the container leads to the host",
    )


def host_address(towards: str = "192.0.2.1") -> str:
    """Return the address by which the host reaches the world, or an address there; empty if it does not."""
    from _socket import AF_INET, AF_INET6, SOCK_CLOEXEC, SOCK_DGRAM, socket

    try:
        end = socket(AF_INET6 if ":" in towards else AF_INET, SOCK_DGRAM | SOCK_CLOEXEC)
    except OSError:  # a kernel without that
        return ""
    try:
        end.connect((towards, 9))  # nothing is sent: it chooses our address
        return str(end.getsockname()[0])
    except OSError:
        return ""
    finally:
        end.close()


def has_way_out() -> bool:
    """Tell whether the host leads anywhere."""
    return bool(host_address() or host_address("2001:db8:ffff::1"))


def _write_zone(directory: str, name: str) -> None:
    from pod.containers.inside import identities

    with open(identities.zone_file(name), "rb") as file:
        content = file.read()
    with open(f"{directory}/localtime", "wb") as file:
        posix.fchmod(file.fileno(), 0o644)
        file.write(content)


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""


def write_file(path: str, text: str) -> None:
    """Write a file that any user of the container may read."""
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        posix.fchmod(file.fileno(), 0o644)  # whatever the umask is: any user of the container reads it
        file.write(text)


def give(directory: str, uid: int, gid: int) -> None:
    """Make a user and a group the owner of all files of a container."""
    descriptor = posix.open(directory, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC)
    try:
        for name in posix.listdir(descriptor):
            posix.chown(name, uid, gid, dir_fd=descriptor, follow_symlinks=False)
    finally:
        posix.close(descriptor)
