"""What `info` tells of the machine: read from /proc and /sys, nothing executed."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def cgroup_version() -> str:
    """Return v2 where the unified hierarchy is mounted, else v1."""
    return "v2" if os.path.exists("/sys/fs/cgroup/cgroup.controllers") else "v1"


def cgroup_controllers() -> list[str]:
    """Return the controllers that this process could use."""
    if cgroup_version() == "v2":
        own = next((line for line in _lines("/proc/self/cgroup") if line.startswith("0::")), "0::/")[3:]
        return _text(f"/sys/fs/cgroup{own.rstrip('/')}/cgroup.controllers").split()
    table = [line.split() for line in _lines("/proc/cgroups") if not line.startswith("#")]
    return [name for name, hierarchy, _, enabled in table if enabled == "1" and hierarchy != "0"]


def distribution() -> dict[str, str]:
    """Return what os-release(5) calls the system, with podman's keys."""
    values = dict(line.split("=", 1) for line in _lines("/etc/os-release") if "=" in line)
    told = {
        "codename": values.get("VERSION_CODENAME", ""),
        "distribution": values.get("ID", "unknown"),
        "variant": values.get("VARIANT_ID", ""),
        "version": values.get("VERSION_ID", "unknown"),
    }
    return {key: value.strip("\"'") for key, value in told.items() if value}


def memory() -> dict[str, int]:
    """Return memory and swap in bytes, with podman's keys."""
    values = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in _lines("/proc/meminfo")}
    keys = {"memFree": "MemFree", "memTotal": "MemTotal", "swapFree": "SwapFree", "swapTotal": "SwapTotal"}
    return {key: values.get(name, 0) for key, name in keys.items()}


def uptime() -> str:
    """Return how long the machine is up, as podman writes it."""
    seconds = float(_text("/proc/uptime").split()[0])
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    text = f"{int(hours)}h {int(minutes)}m {rest:.2f}s"
    return f"{text} (Approximately {hours / 24:.2f} days)" if hours >= 24 else text


def cpu_utilization() -> dict[str, float]:
    """Return the shares of the processors' time since boot, in percent."""
    values = list(map(int, _lines("/proc/stat")[0].split()[1:]))
    total = sum(values) or 1
    shares = {"userPercent": values[0], "systemPercent": values[2], "idlePercent": values[3]}
    return {key: round(100 * value / total, 2) for key, value in shares.items()}


def id_mappings() -> dict[str, Any]:
    """Return the user namespace's maps; null for the host's own."""
    told: dict[str, Any] = {}
    for key in ("gidmap", "uidmap"):
        rows = [list(map(int, line.split())) for line in _lines(f"/proc/self/{key.removesuffix('map')}_map")]
        entries = [{"container_id": row[0], "host_id": row[1], "size": row[2]} for row in rows]
        told[key] = None if rows == [[0, 0, 4294967295]] else entries
    return told


def security(*, rootless: bool, capabilities: list[str]) -> dict[str, Any]:
    """Return which of the kernel's protections are there."""
    status = dict(line.split(":\t", 1) for line in _lines("/proc/self/status") if ":\t" in line)
    return {
        "apparmorEnabled": _text("/sys/module/apparmor/parameters/enabled").strip() == "Y",
        "capabilities": ",".join(capabilities),
        "rootless": rootless,
        "seccompEnabled": "Seccomp" in status,
        "seccompProfilePath": "",
        "selinuxEnabled": os.path.exists("/sys/fs/selinux/enforce"),
    }


def backing_filesystem(path: str) -> str:
    """Return the kind of the file system that a path is, or would be, on."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    device = os.stat(path).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    kind = next((line.split(" - ")[1].split()[0] for line in _lines("/proc/self/mountinfo") if number in line), "")
    return "extfs" if kind.startswith("ext") else kind or "unknown"


def space(path: str) -> tuple[int, int]:
    """Return size and use, in bytes, of the file system that a path is, or would be, on."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    found = os.statvfs(path)
    return found.f_blocks * found.f_frsize, (found.f_blocks - found.f_bfree) * found.f_frsize


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _lines(path: str) -> list[str]:
    return _text(path).splitlines()
