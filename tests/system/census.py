"""What there is of containers on a machine, a line for each thing: printed by root in the machine, compared by tests.

What each run names anew (IDs, numbers of interfaces) is struck out. So two lists differ by what came and did not go:
processes, control groups, mounts, namespaces with their links and the elements of their firewall, state on disk.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import socket
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.system.machine import Machine

_ROOTS = ("/run/pod", "/run/user/1000/pod", "/var/lib/pod", "/home/alice/.local/share/pod")
_PLACES = ("containers", "exec", "runtime", "pods", "networks/*", "staging", "ingest", "trash")
# Of the machine itself, and of who looks; what is ours is told by its name wherever it is.
_OTHERS = re.compile(
    r"/(init\.scope|session-[^/]*|ssh\.service|dbus\.service|systemd-[^/]*|user-runtime-dir@[^/]*)(/|$)"
)
_OURS = re.compile(r"pod|pasta|netns|overlay|nsfs")
_CLONE_NEWNET = 0x40000000
_RANDOM = re.compile(r"[0-9a-f]{8,}|\d+")


def census(machine: Machine) -> Counter[str]:
    """Return how often there is each thing."""
    script = "PYTHONPATH=/opt/pod:/opt/pod/site python3 -m tests.system.census"
    return Counter(machine.shell("root", script, timeout=120).stdout.splitlines())


def _things() -> Iterator[str]:
    namespaces: dict[str, str] = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            yield from _of_process(pid, namespaces)
        except OSError:
            continue  # it has ended
    for name, path in sorted(namespaces.items()):
        yield f"namespace {name.partition(':')[0]}"
        if name.startswith("net:"):
            yield from _apart(path, _on_network)
    for directory, _, _ in os.walk("/sys/fs/cgroup"):
        if "pod" in directory or re.search(r"[0-9a-f]{64}", directory):
            yield f"cgroup {directory}"
    yield from _state()


def _of_process(pid: str, namespaces: dict[str, str]) -> Iterator[str]:
    place, name = _read(f"/proc/{pid}/cgroup").strip(), _read(f"/proc/{pid}/comm").strip()
    is_first = pid == "1"
    if is_first or _is_ours(pid, place, name):
        for kind in ("mnt", "net", "pid", "user"):
            path = f"/proc/{pid}/ns/{kind}"
            link = os.readlink(path)
            if kind == "mnt" and link not in namespaces:
                yield from _mounts(pid)
            namespaces.setdefault(link, path)
        if not is_first:
            yield f"process {os.stat(f'/proc/{pid}').st_uid} {name}"
    if name == "pod-monitor":  # which holds namespaces that nobody is in
        for number in os.listdir(f"/proc/{pid}/fd"):
            path = f"/proc/{pid}/fd/{number}"
            if (link := os.readlink(path)).startswith("net:"):
                namespaces.setdefault(link, path)


def _is_ours(pid: str, place: str, name: str) -> bool:
    if not _read(f"/proc/{pid}/cmdline"):
        return False  # a thread of the kernel's
    return bool(_OURS.search(name)) or not _OTHERS.search(place)


def _mounts(pid: str) -> Iterator[str]:
    for line in _read(f"/proc/{pid}/mountinfo").splitlines():
        fields, _, rest = line.partition(" - ")
        point, kind = fields.split()[4], rest.split()[0]
        if _OURS.search(f"{point} {kind}"):
            yield f"mount {kind} {point}"


def _apart(namespace: str, look: Callable[[], Iterator[str]]) -> list[str]:
    """Return what there is in a network namespace; a process of its own goes there."""
    reader, writer = os.pipe()
    if not (child := os.fork()):
        try:
            ctypes.CDLL(None).setns(os.open(namespace, os.O_RDONLY), _CLONE_NEWNET)
            os.write(writer, "\n".join(look()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader) as file:
        found = file.read().splitlines()
    os.waitpid(child, 0)
    return found


def _on_network() -> Iterator[str]:
    for _, name in socket.if_nameindex():
        yield f"link {name}"
    rules = subprocess.run(["nft", "-j", "list", "ruleset"], capture_output=True, check=True).stdout
    # Chains and rules are the same whatever there is, and stay; what is of one container or network is an element.
    for item in json.loads(rules)["nftables"]:
        ((_, value),) = item.items()
        for _ in value.get("elem", ()):
            yield f"nft element of {value['name']}"


def _state() -> Iterator[str]:
    script = "for pattern; do for path in $pattern; do [ ! -e $path ] || echo $path; done; done"
    patterns = [f"{root}/{place}/*" for root in _ROOTS for place in _PLACES]
    done = subprocess.run(["sh", "-c", script, "sh", *patterns], capture_output=True, text=True, check=True)
    for path in done.stdout.splitlines():
        if not path.endswith((".lock", "/lock", ".json")):
            yield f"state {path}"


def _read(path: str) -> str:
    with open(path) as file:
        return file.read().replace("\0", " ")


if __name__ == "__main__":
    for thing in _things():
        print(_RANDOM.sub("N", thing))
