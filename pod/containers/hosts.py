"""The hosts file of a container (pure); its writing in place.

Source: hosts(5), podman-run(1) --add-host, --no-hosts, --hosts-file; containers.conf(5) host_containers_internal_ip.
"""

from __future__ import annotations

import os

HOST_NAMES = ("host.containers.internal", "host.docker.internal")
GATEWAY = "host-gateway"


def text(base: str, *, added: list[tuple[str, list[str]]], own: list[tuple[str, list[str]]], host: str) -> str:
    """Return the content of hosts: the base, what was added, the host's names, and the container's own.

    `added` and `own`: addresses with their names; a name that was added has no other address. `host`: the address
    by which the container reaches the host, empty if it cannot.
    """
    taken = {name for _, names in added for name in names}
    lines = [line for line in (_without(line, taken) for line in base.splitlines()) if line is not None]
    lines += [f"{address}\t{' '.join(names)}" for address, names in added]
    if host:
        lines += _line(host, [name for name in HOST_NAMES if name not in taken | _names(base)])
    for address, names in own:
        lines += _line(address, [name for name in dict.fromkeys(names) if name not in taken])
    return "".join(f"{line}\n" for line in lines)


def _line(address: str, names: list[str]) -> list[str]:
    return [f"{address}\t{' '.join(names)}"] if names else []


def _words(line: str) -> list[str]:
    return line.partition("#")[0].split()


def _names(base: str) -> set[str]:
    return {name for line in base.splitlines() for name in _words(line)[1:]}


def _without(line: str, taken: set[str]) -> str | None:
    """Return a line without these names; None if there were no others."""
    words = _words(line)
    kept = [word for word in words[1:] if word not in taken]
    if len(kept) == len(words[1:]):
        return line
    return f"{words[0]}\t{' '.join(kept)}" if kept else None


def added(item: str) -> tuple[str, list[str]]:
    """Return address and names of what --add-host says, "NAME[;NAME]:ADDRESS"; an IPv6 address without brackets."""
    names, _, address = item.partition(":")
    return address.removeprefix("[").removesuffix("]"), [name for name in names.split(";") if name]


def rewrite(path: str, content: str) -> None:
    """Give a file that a running container has mounted other content: it stays the same file; OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(fd, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(content)
        file.truncate()
