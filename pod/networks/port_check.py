"""Whether the host's ports that a container wants are free when it starts, and who has those that are not."""

from __future__ import annotations

import errno
import os
import select
import time

from pod import state
from pod.errors import PodError
from pod.networks import publishing
from runtime import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.engine import Engine
    from pod.state import Container

# Who has published ports, as far as they are not the firewall's: pasta may go by a longer name.
_HOLDERS = ("pod-publisher", "pod-monitor", "pasta")
_PATIENCE = 5.0


def check(engine: Engine, container: Container) -> None:
    """Raise PodError, with podman's words, if a container's ports cannot be had; the hint says who has them."""
    for one in container.config["ports"]:
        owner = _publisher(engine, container, one)
        for port in range(one["host_port"], one["host_port"] + one["range"]):
            if owner is not None and owner[1] <= port < owner[1] + owner[2]:
                raise _error(one, port, errno.EADDRINUSE, f"container {owner[0]} publishes it")
            try:
                _bind(one["host_ip"], port, one["protocol"])
            except OSError as error:
                if error.errno == errno.EACCES:
                    raise _privileged(one, port) from None
                taken = error.errno == errno.EADDRINUSE
                raise _error(one, port, error.errno or 0, _holder(port, one["protocol"]) if taken else "") from None


def _bind(address: str, port: int, protocol: str) -> None:
    """Bind a port for a moment. Raises OSError, but not for the sake of those who have it and have been killed."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            publishing.bind(address, port, protocol)
            return
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not _await_killed(deadline):
                raise


def _await_killed(deadline: float) -> bool:
    """Wait for the end of a process that has published ports and was killed; False if there is none, or no time.

    With a monitor that is killed go those who work for it, but it takes them a moment, in which they have its ports.
    """
    found = []
    try:
        for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):
            name = "".join(_lines(f"/proc/{pid}/comm"))
            if name.startswith(_HOLDERS) and process.is_dying(pid):
                try:
                    found.append(os.pidfd_open(pid))
                except OSError:
                    continue  # it has ended
        ended = select.select(found, [], [], 0)[0]
        living = [pidfd for pidfd in found if pidfd not in ended]
        return bool(living and select.select(living, [], [], max(0.0, deadline - time.monotonic()))[0])
    finally:
        for pidfd in found:
            os.close(pidfd)


def _error(one: dict[str, Any], port: int, number: int, hint: str) -> PodError:
    protocol, address = one["protocol"], one["host_ip"]
    v6 = ":" in address
    shown = f"[{address}]" if v6 else address
    return PodError(
        f"cannot listen on the {protocol.upper()} port: listen {protocol}{6 if v6 else 4} {shown}:{port}: bind:"
        f" {os.strerror(number).lower()}",
        hint=hint,
    )


def _privileged(one: dict[str, Any], port: int) -> PodError:
    first = _first_unprivileged()
    return PodError(
        f"rootlessport cannot expose privileged port {port}, you can add 'net.ipv4.ip_unprivileged_port_start={port}'"
        f" to /etc/sysctl.conf (currently {first}), or choose a larger port number (>= {first}): listen"
        f" {one['protocol']} {one['host_ip'] or '0.0.0.0'}:{port}: bind: permission denied",
        hint=f"until the next boot: sudo sysctl net.ipv4.ip_unprivileged_port_start={port}",
    )


def _first_unprivileged() -> str:
    try:
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return "1024"


def _publisher(engine: Engine, container: Container, wanted: dict[str, Any]) -> tuple[str, int, int] | None:
    """Return the container that runs and publishes one of these ports: its name, its first port, how many."""
    query = "SELECT id FROM container WHERE config LIKE '%\"host_port\"%' AND id != ?"
    for (identity,) in engine.connection.execute(query, (container.id,)).fetchall():
        other = state.find_container(engine.connection, identity)
        for one in other.config["ports"]:
            if _meet(one, wanted):
                from pod.containers.status import observe

                if observe(engine.config, identity).is_running:
                    return other.name, one["host_port"], one["range"]
    return None


def _meet(one: dict[str, Any], other: dict[str, Any]) -> bool:
    apart = one["host_ip"] and other["host_ip"] and one["host_ip"] != other["host_ip"]
    first, second = one["host_port"], other["host_port"]
    return (
        not apart
        and one["protocol"] == other["protocol"]
        and bool(first < second + other["range"] and second < first + one["range"])
    )


def _holder(port: int, protocol: str) -> str:
    """Return a hint that names the process with a socket on a port, empty if it cannot be seen."""
    inodes = set()
    for table in (protocol, f"{protocol}6"):
        for line in _lines(f"/proc/net/{table}")[1:]:
            words = line.split()
            if len(words) > 9 and words[1].rpartition(":")[2] == f"{port:04X}":
                inodes.add(f"socket:[{words[9]}]")
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            if any(os.readlink(f"/proc/{pid}/fd/{fd}") in inodes for fd in os.listdir(f"/proc/{pid}/fd")):
                return f"process {pid} ({''.join(_lines(f'/proc/{pid}/comm'))}) has it"
        except OSError:
            continue  # it has ended, or belongs to somebody else
    return ""


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()
    except OSError:
        return []
