"""The files that a container gets from us: hosts, hostname, resolv.conf, .containerenv, localtime."""

from __future__ import annotations

import os

from pod.containers import resolv_conf
from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.containers.configuration import ContainerConfig

_HOSTS = "127.0.0.1\tlocalhost localhost.localdomain\n::1\tlocalhost ip6-localhost ip6-loopback\n"


def write(directory: str, config: ContainerConfig, *, name: str) -> None:
    """Write the files of the container of this name into its directory of files."""
    identity = config["identity"]
    if identity["hosts_file"] != "image":
        write_hosts(directory, config, _base(config), name=name)
    write_file(f"{directory}/hostname", f"{config['hostname']}\n")
    write_file(f"{directory}/containerenv", "")
    write_file(f"{directory}/resolv.conf", _resolv_conf(config))
    if identity["timezone"]:
        _write_zone(directory, identity["timezone"])


def _resolv_conf(config: ContainerConfig) -> str:
    """Return what resolv.conf says; who has the host's network has the host's file."""
    host = _read(resolv_conf.HOST)
    if config["namespaces"]["network"] == "host":
        return host
    if resolv_conf.is_stub(host):
        host = _read(resolv_conf.RESOLVED) or host
    asked = resolv_conf.parse(host)
    return resolv_conf.for_container(asked, own=[], servers=[], searches=[], options=[]).text()


def _base(config: ContainerConfig) -> str:
    """Return what hosts begins with."""
    path = config["identity"]["hosts_file"]
    if path == "none":
        return ""
    if path:
        return _read(path)
    return (_read("/etc/hosts") or _HOSTS) if config["namespaces"]["network"] == "host" else _HOSTS


def write_hosts(directory: str, config: ContainerConfig, base: str, *, name: str) -> None:
    """Write hosts: the base, what --add-host says, and the container's own name."""
    hostname = config["hostname"]
    hosts = base if not base or base.endswith("\n") else f"{base}\n"
    for item in config["identity"]["add_hosts"]:
        names, _, address = item.partition(":")
        if address == "host-gateway":
            address = _gateway(config, item)
        hosts += f"{address.removeprefix('[').removesuffix(']')}\t{names.replace(';', ' ')}\n"
    if hostname not in hosts.split():
        hosts += f"127.0.0.1\t{hostname} {name}\n"
    write_file(f"{directory}/hosts", hosts)


def _gateway(config: ContainerConfig, item: str) -> str:
    """Return the address by which a container reaches the host."""
    if config["namespaces"]["network"] != "host":
        raise PodError(
            f'unable to replace "host-gateway" of host entry "{item}": host containers internal IP address is empty',
            hint="the container has no network of its own to the host: use --network=host, or write an address",
        )
    from _socket import AF_INET, SOCK_CLOEXEC, SOCK_DGRAM, socket

    end = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC)
    try:
        end.connect(("192.0.2.1", 9))  # nothing is sent: it chooses our address
        return str(end.getsockname()[0])
    except OSError:
        return "127.0.0.1"
    finally:
        end.close()


def _write_zone(directory: str, name: str) -> None:
    from pod.containers import identities

    with open(identities.zone_file(name), "rb") as file:
        content = file.read()
    with open(f"{directory}/localtime", "wb") as file:
        os.fchmod(file.fileno(), 0o644)
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
        os.fchmod(file.fileno(), 0o644)  # whatever the umask is: any user of the container reads it
        file.write(text)


def give(directory: str, uid: int, gid: int) -> None:
    """Make a user and a group the owner of all files of a container."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        for name in os.listdir(descriptor):
            os.chown(name, uid, gid, dir_fd=descriptor, follow_symlinks=False)
    finally:
        os.close(descriptor)
