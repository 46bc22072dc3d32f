"""The limits of a container as `inspect` tells them in HostConfig, with podman's names and types."""

from __future__ import annotations

from pod import systemd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.config import Config

_THROTTLES = {
    "BlkioDeviceReadBps": "throttleReadBpsDevice",
    "BlkioDeviceWriteBps": "throttleWriteBpsDevice",
    "BlkioDeviceReadIOps": "throttleReadIOPSDevice",
    "BlkioDeviceWriteIOps": "throttleWriteIOPSDevice",
}


def host_config(settings: Config, config: dict[str, Any]) -> dict[str, Any]:
    """Return the fields for all that limits the container with this configuration."""
    resources = config["resources"]
    memory, cpu, block_io = (resources.get(name) or {} for name in ("memory", "cpu", "blockIO"))
    quota, period = cpu.get("quota", 0), cpu.get("period", 0)
    return {
        "Memory": memory.get("limit", 0),
        "MemoryReservation": memory.get("reservation", 0),
        "MemorySwap": memory.get("swap", 0),
        "MemorySwappiness": memory.get("swappiness", -1 if memory else 0),
        "KernelMemory": 0,
        "OomKillDisable": bool(memory.get("disableOOMKiller")),
        "OomScoreAdj": config["oom_score_adj"] or 0,
        "NanoCpus": int(1e9 * quota / period) if quota > 0 and period else 0,
        "CpuShares": cpu.get("shares", 0),
        "CpuPeriod": period,
        "CpuQuota": quota,
        "CpuRealtimePeriod": cpu.get("realtimePeriod", 0),
        "CpuRealtimeRuntime": cpu.get("realtimeRuntime", 0),
        "CpusetCpus": cpu.get("cpus", ""),
        "CpusetMems": cpu.get("mems", ""),
        "CpuCount": 0,
        "CpuPercent": 0,
        "BlkioWeight": block_io.get("weight", 0),
        "BlkioWeightDevice": [
            {"Path": _path(entry), "Weight": entry["weight"]} for entry in block_io.get("weightDevice") or []
        ],
        **{
            name: [{"Path": _path(entry), "Rate": entry["rate"]} for entry in block_io.get(key) or []]
            for name, key in _THROTTLES.items()
        },
        "PidsLimit": config["pids_limit"],
        "Ulimits": [
            {"Name": f"RLIMIT_{name.upper()}", "Soft": soft, "Hard": hard} for name, soft, hard in config["ulimits"]
        ],
        "Devices": [
            {
                "PathOnHost": device["source"],
                "PathInContainer": device["target"],
                "CgroupPermissions": device["access"],
            }
            for device in config["devices"]["host"]
        ],
        "DeviceCgroupRules": config["devices"]["rules"] or None,
        "CgroupManager": systemd.name(settings),
        "CgroupParent": config["cgroup_parent"],
        "CgroupConf": resources.get("unified"),
        "Cgroup": "",
        "Cgroups": config["cgroups"] if config["cgroups"] in ("disabled", "split") else "default",
    }


def cgroup_path(settings: Config, container_id: str, pid: int) -> str:
    """Return where the cgroup of a running container is, below the mount point of its hierarchy; empty if it has none.

    As the runtime noted it, or with another program as the kernel tells it of the first process.
    """
    from runtime import process
    from runtime import status as states
    from runtime.errors import OCIRuntimeError

    try:
        known = states.load(settings.runtime_root, container_id).cgroup_path
        if known.startswith("/"):
            return known
        if not known:
            return ""
    except OCIRuntimeError:
        pass
    try:
        found = process.cgroups_of(pid)
    except OSError:
        return ""  # it has ended meanwhile
    return found.get("") or found.get("memory") or found.get("name=systemd") or ""


def _path(entry: dict[str, Any]) -> str:
    """Return the node of a block device in /dev."""
    number = f"{entry['major']}:{entry['minor']}"
    try:
        with open(f"/sys/dev/block/{number}/uevent", encoding="ascii") as file:
            name = next((line[8:].strip() for line in file if line.startswith("DEVNAME=")), "")
    except OSError:
        name = ""
    return f"/dev/{name}" if name else number
