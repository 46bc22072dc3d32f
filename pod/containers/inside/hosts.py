"""The hosts file of a container (pure); its writing in place.

Source: hosts(5), podman-run(1) --add-host, --no-hosts, --hosts-file; containers.conf(5) host_containers_internal_ip.
"""

from __future__ import annotations

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HOST_NAMES = ("host.containers.internal", "host.docker.internal")
GATEWAY = "host-gateway"


def text(base: str, *, added: list[tuple[str, list[str]]], own: list[tuple[str, list[str]]], host: str) -> str:
    """Return the content of hosts: what was added, the base, localhost, the host's names, and the container's own.

    `added` and `own`: addresses with their names. `host`: the address by which the container reaches the host, empty
    if it cannot. A name has the address that is named first, and no other.
    """
    before = {name for _, names in added for name in names}
    rest = [(words[0], [name for name in words[1:] if name not in before]) for words in _entries(base)]
    there = before.union(*(names for _, names in rest))
    always = [("127.0.0.1", ["localhost"]), ("::1", ["localhost"])]
    always += [(host, [*HOST_NAMES])] if host else []
    entries = [*added, *rest]
    entries += [(address, [one for one in dict.fromkeys(names) if one not in there]) for address, names in always + own]
    return "".join(f"{address}\t{' '.join(names)}\n" for address, names in entries if names)


def _entries(base: str) -> list[list[str]]:
    found = [line.partition("#")[0].split() for line in base.splitlines()]
    return [words for words in found if words]


def internal_address(settings: dict[str, Any]) -> str | None:
    """Return the address that containers.conf has for host.containers.internal, empty for none; None for any."""
    said = str(settings.get("host_containers_internal_ip") or "")
    return "" if said == "none" else said or None


def renewed(now: str, wanted: str, own: list[str]) -> str:
    """Return hosts with the lines that are `wanted` in place of those by which we told the same before.

    These have the names of a wanted line, or begin with the container's own names.
    """
    lines = wanted.splitlines()
    names = [line.split()[1:] for line in lines]

    def is_ours(line: str) -> bool:
        said = line.partition("#")[0].split()[1:]
        return bool(said) and (said in names or said[: len(own)] == own)

    kept = [line for line in now.splitlines() if line in lines or not is_ours(line)]
    return "".join(f"{line}\n" for line in [*kept, *(line for line in lines if line not in kept)])


def added(item: str) -> tuple[str, list[str]]:
    """Return address and names of what --add-host says, "NAME[;NAME]:ADDRESS"; an IPv6 address without brackets."""
    names, _, address = item.partition(":")
    return address.removeprefix("[").removesuffix("]"), [name for name in names.split(";") if name]


def rewrite(path: str, content: str) -> None:
    """Give a file that a running container has mounted other content: it stays the same file; OSError."""
    fd = posix.open(path, posix.O_WRONLY | posix.O_NOFOLLOW | posix.O_CLOEXEC)
    with open(fd, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(content)
        file.truncate()
