"""OCI `linux.resources` as values for the files of cgroup v1 (Documentation/admin-guide/cgroup-v1)."""

from __future__ import annotations

from runtime.cgroups.device_rules import format_access, format_device, reduce_rules
from runtime.cgroups.files import Setting
from runtime.cgroups.limits import devices, limit, number, section, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


def settings(resources: dict[str, Any]) -> list[Setting]:
    """Return everything to write but the rules for devices; kernel memory limits, gone from kernels, are ignored."""
    if not resources:
        return []
    return [
        *_cpu(section(resources, "cpu")),
        *_memory(section(resources, "memory")),
        *_pids(section(resources, "pids")),
        *_block_io(section(resources, "blockIO")),
        *_hugetlb(resources.get("hugepageLimits") or []),
        *_network(section(resources, "network")),
        *rdma(section(resources, "rdma")),
    ]


def device_rules(rules: list[dict[str, Any]]) -> tuple[str, list[str]]:
    """Return the file that takes `a`, after which the lines go to the other one."""
    access = reduce_rules(rules)
    lines = [f"{format_device(device)} {format_access(bits)}" for device, bits in access.exceptions.items()]
    return ("devices.allow" if access.allow else "devices.deny"), lines


def _cpu(cpu: dict[str, Any]) -> Iterator[Setting]:
    for key, controller, file in (
        ("cpus", "cpuset", "cpuset.cpus"),
        ("mems", "cpuset", "cpuset.mems"),
    ):
        value = text(cpu, key)
        if value is not None:
            yield Setting(controller, file, value)
    for key, file in (
        ("shares", "cpu.shares"),
        ("period", "cpu.cfs_period_us"),
        ("quota", "cpu.cfs_quota_us"),
        ("burst", "cpu.cfs_burst_us"),
        ("realtimePeriod", "cpu.rt_period_us"),
        ("realtimeRuntime", "cpu.rt_runtime_us"),
        ("idle", "cpu.idle"),
    ):
        # Of these two zero is a value, which is there anyway where the kernel does not know them.
        amount = number(cpu, key) if key in ("burst", "idle") else limit(cpu, key)
        if amount is not None:
            yield Setting("cpu", file, str(amount), optional=not amount)


def _memory(memory: dict[str, Any]) -> Iterator[Setting]:
    total = limit(memory, "limit")
    swap = limit(memory, "swap")
    if total == -1 and swap is None:
        swap = -1
    for amount, file in (
        (total, "memory.limit_in_bytes"),
        (swap, "memory.memsw.limit_in_bytes"),
        (limit(memory, "reservation"), "memory.soft_limit_in_bytes"),
        (number(memory, "swappiness"), "memory.swappiness"),
    ):
        if amount is not None:
            yield Setting("memory", file, str(amount))
    if memory.get("disableOOMKiller"):
        yield Setting("memory", "memory.oom_control", "1")
    if memory.get("useHierarchy"):
        yield Setting("memory", "memory.use_hierarchy", "1")


def _pids(pids: dict[str, Any]) -> Iterator[Setting]:
    amount = limit(pids, "limit")
    if amount is not None:
        yield Setting("pids", "pids.max", str(amount) if amount > 0 else "max")


def _block_io(block_io: dict[str, Any]) -> Iterator[Setting]:
    for key, file in (("weight", "weight"), ("leafWeight", "leaf_weight")):
        weight = limit(block_io, key)
        if weight is not None:
            yield _weight(file, str(weight))
        for device, amount in devices(block_io, "weightDevice", key):
            yield _weight(f"{file}_device", f"{device} {amount}")
    for key, file in (
        ("throttleReadBpsDevice", "read_bps_device"),
        ("throttleWriteBpsDevice", "write_bps_device"),
        ("throttleReadIOPSDevice", "read_iops_device"),
        ("throttleWriteIOPSDevice", "write_iops_device"),
    ):
        for device, rate in devices(block_io, key, "rate"):
            yield Setting("blkio", f"blkio.throttle.{file}", f"{device} {rate}")


def _weight(file: str, value: str) -> Setting:
    """Return a weight for whichever scheduler has one: BFQ, or the older CFQ."""
    return Setting("blkio", f"blkio.bfq.{file}", value, fallback=Setting("blkio", f"blkio.{file}", value))


def _hugetlb(limits: list[dict[str, Any]]) -> Iterator[Setting]:
    for entry in limits:
        size, amount = text(entry, "pageSize"), number(entry, "limit")
        if size is not None and amount is not None:
            yield Setting("hugetlb", f"hugetlb.{size}.limit_in_bytes", str(amount))
            yield Setting("hugetlb", f"hugetlb.{size}.rsvd.limit_in_bytes", str(amount), optional=True)


def _network(network: dict[str, Any]) -> Iterator[Setting]:
    class_id = limit(network, "classID")
    if class_id is not None:
        yield Setting("net_cls", "net_cls.classid", str(class_id))
    for entry in network.get("priorities") or ():
        yield Setting("net_prio", "net_prio.ifpriomap", f"{text(entry, 'name')} {number(entry, 'priority')}")


def rdma(limits: dict[str, Any]) -> Iterator[Setting]:
    """Yield the limits of RDMA devices, which are the same in both versions."""
    for device, entry in limits.items():
        values = [
            f"{name}={amount}"
            for name, key in (("hca_handle", "hcaHandles"), ("hca_object", "hcaObjects"))
            if (amount := number(entry, key)) is not None
        ]
        if values:
            yield Setting("rdma", "rdma.max", " ".join([device, *values]))
