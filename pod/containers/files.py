"""The files that a container gets from us: hosts, hostname, resolv.conf, .containerenv."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pod.containers.configuration import ContainerConfig

_HOSTS = "127.0.0.1\tlocalhost localhost.localdomain\n::1\tlocalhost ip6-localhost ip6-loopback\n"


def write(directory: str, config: ContainerConfig, *, name: str) -> None:
    """Write the files of the container of this name into its directory of files."""
    hostname = config["hostname"]
    hosts = _HOSTS
    if config["namespaces"]["network"] == "host":
        hosts = _read("/etc/hosts") or _HOSTS
    if hostname not in hosts.split():
        hosts += f"127.0.0.1\t{hostname} {name}\n"
    write_file(f"{directory}/hosts", hosts)
    write_file(f"{directory}/hostname", f"{hostname}\n")
    write_file(f"{directory}/containerenv", "")
    write_file(f"{directory}/resolv.conf", _read("/etc/resolv.conf"))


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
