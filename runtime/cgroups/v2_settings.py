"""OCI `linux.resources` as values for the files of cgroup v2 (Documentation/admin-guide/cgroup-v2.rst)."""

from __future__ import annotations

from runtime.cgroups.errors import CgroupUnavailableError
from runtime.cgroups.files import Setting
from runtime.cgroups.limits import devices, limit, number, section, text
from runtime.cgroups.v1_settings import rdma
from runtime.errors import SpecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_DEFAULT_PERIOD = 100_000


def settings(resources: dict[str, Any]) -> list[Setting]:
    """Return everything to write but the rules for devices; kernel memory limits are ignored."""
    if not resources:
        return []
    network = section(resources, "network")
    if network.get("classID") or network.get("priorities"):
        raise CgroupUnavailableError("linux.resources.network: cgroup v2 has no classes and priorities for packets")
    return [
        *_cpu(section(resources, "cpu")),
        *_memory(section(resources, "memory")),
        *_pids(section(resources, "pids")),
        *_io(section(resources, "blockIO")),
        *hugetlb(resources),
        *rdma(section(resources, "rdma")),
        *unified(resources),
    ]


def weight_of_shares(shares: int) -> int:
    """Convert cpu.shares (2 to 262144, default 1024) to cpu.weight (1 to 10000, default 100).

    The quadratic in the logarithm that runc and crun have: it maps smallest, default and greatest value
    to each other, which the linear formula before it did not.
    """
    from math import ceil, log2

    if shares <= 2:
        return 1
    if shares >= 262144:
        return 10000
    log = log2(shares)
    return ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34))


def _cpu(cpu: dict[str, Any]) -> Iterator[Setting]:
    shares, quota, period = limit(cpu, "shares"), limit(cpu, "quota"), limit(cpu, "period")
    if cpu.get("realtimePeriod") or cpu.get("realtimeRuntime"):
        raise CgroupUnavailableError("linux.resources.cpu: cgroup v2 has no limits for realtime scheduling")
    for key in ("cpus", "mems"):
        value = text(cpu, key)
        if value is not None:
            yield Setting("cpuset", f"cpuset.{key}", value)
    idle, burst = number(cpu, "idle"), number(cpu, "burst")
    # Of these two zero is a value, which is there anyway where the kernel does not know them.
    if idle is not None:
        yield Setting("cpu", "cpu.idle", str(idle), optional=not idle)
    if shares is not None and not idle:
        yield Setting("cpu", "cpu.weight", str(weight_of_shares(shares)))
    if quota is not None or period is not None:
        amount = str(quota) if quota is not None and quota > 0 else "max"
        yield Setting("cpu", "cpu.max", f"{amount} {period or _DEFAULT_PERIOD}")
    if burst is not None:
        yield Setting("cpu", "cpu.max.burst", str(burst), optional=not burst)


def _memory(memory: dict[str, Any]) -> Iterator[Setting]:
    total, swap = limit(memory, "limit"), limit(memory, "swap")
    if memory.get("disableOOMKiller") or memory.get("swappiness") is not None:
        raise CgroupUnavailableError("linux.resources.memory: cgroup v2 has no swappiness and no switch for OOM kills")
    swap_only = _swap_without_memory(total, swap)
    for amount, file in (
        (total, "memory.max"),
        (swap_only, "memory.swap.max"),
        (limit(memory, "reservation"), "memory.low"),
    ):
        if amount is not None:
            yield Setting("memory", file, str(amount) if amount >= 0 else "max")


def _swap_without_memory(total: int | None, swap: int | None) -> int | None:
    """Convert OCI's memory plus swap into v2's swap; -1 is no limit."""
    if swap is None:
        return -1 if total == -1 else None
    if swap == -1:
        return -1
    if total is None or total == -1:
        raise SpecError("linux.resources.memory: swap has a limit, but memory has none")
    if swap < total:
        raise SpecError(f"linux.resources.memory: swap {swap} includes memory and cannot be below its limit {total}")
    return swap - total


def _pids(pids: dict[str, Any]) -> Iterator[Setting]:
    amount = limit(pids, "limit")
    if amount is not None:
        yield Setting("pids", "pids.max", str(amount) if amount > 0 else "max")


def _io(block_io: dict[str, Any]) -> Iterator[Setting]:
    if block_io.get("leafWeight"):
        raise CgroupUnavailableError("linux.resources.blockIO.leafWeight: cgroup v2 has no such weight")
    weight = limit(block_io, "weight")
    if weight is not None:
        yield _weight("", weight)
    for device, amount in devices(block_io, "weightDevice", "weight"):
        yield _weight(f"{device} ", amount)
    for key, name in (
        ("throttleReadBpsDevice", "rbps"),
        ("throttleWriteBpsDevice", "wbps"),
        ("throttleReadIOPSDevice", "riops"),
        ("throttleWriteIOPSDevice", "wiops"),
    ):
        for device, rate in devices(block_io, key, "rate"):
            yield Setting("io", "io.max", f"{device} {name}={rate}")


def _weight(device: str, weight: int) -> Setting:
    """Return a weight: BFQ takes OCI's 10 to 1000 as it is, io.weight has 1 to 10000."""
    linear = 1 + (weight - 10) * 9999 // 990
    return Setting("io", "io.bfq.weight", f"{device}{weight}", fallback=Setting("io", "io.weight", f"{device}{linear}"))


def hugetlb(resources: dict[str, Any]) -> Iterator[Setting]:
    """Yield the limits of huge pages, which a hybrid layout may keep in v2."""
    for entry in resources.get("hugepageLimits") or ():
        size, amount = text(entry, "pageSize"), number(entry, "limit")
        if size is not None and amount is not None:
            yield Setting("hugetlb", f"hugetlb.{size}.max", str(amount))
            yield Setting("hugetlb", f"hugetlb.{size}.rsvd.max", str(amount), optional=True)


def unified(resources: dict[str, Any]) -> Iterator[Setting]:
    """Yield the raw files and values of `linux.resources.unified`."""
    for file, value in section(resources, "unified").items():
        controller = file.partition(".")[0]
        if "/" in file or "." not in file or not isinstance(value, str):
            raise SpecError(f"linux.resources.unified: {file!r}: {value!r} is not a file name and its content")
        yield Setting(controller, file, value)
