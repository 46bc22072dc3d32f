"""What a cgroup has used, as the `data` of runc's events: its names, bytes and nanoseconds, from v1 and v2 alike."""

from __future__ import annotations

import posix

from runtime.cgroups import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Data = dict[str, Any]

_NANOSECONDS_A_TICK = 10_000_000  # USER_HZ is 100 on every machine
_UNLIMITED = 2**64 - 1
_BLKIO = {
    "ioServiceBytesRecursive": "io_service_bytes",
    "ioServicedRecursive": "io_serviced",
    "ioQueueRecursive": "io_queued",
    "ioServiceTimeRecursive": "io_service_time",
    "ioWaitTimeRecursive": "io_wait_time",
    "ioMergedRecursive": "io_merged",
    "ioTimeRecursive": "time",
    "sectorsRecursive": "sectors",
}
# Of the files with these beginnings the first that has anything counts: BFQ's, CFQ's, and the throttle's.
_BLKIO_BEGINNINGS = ("blkio.bfq.", "blkio.", "blkio.throttle.")
_IO_STAT = {
    "rbytes": ("ioServiceBytesRecursive", "Read"),
    "wbytes": ("ioServiceBytesRecursive", "Write"),
    "dbytes": ("ioServiceBytesRecursive", "Discard"),
    "rios": ("ioServicedRecursive", "Read"),
    "wios": ("ioServicedRecursive", "Write"),
    "dios": ("ioServicedRecursive", "Discard"),
}


def read(directories: dict[str, str]) -> Data:
    """Read the files of a cgroup from where each controller's are, the unified hierarchy's under ""."""
    unified = directories.get("", "")
    return _v1(directories, unified) if set(directories) - {""} else _v2(unified)


def _v1(directories: dict[str, str], unified: str) -> Data:
    return {
        "cpu": _cpu_v1(directories.get("cpu", ""), directories.get("cpuacct", "")),
        "cpuset": _cpuset(directories.get("cpuset", "")),
        "memory": _memory_v1(directories.get("memory", "")),
        "pids": _pids(directories.get("pids", "")),
        "blkio": _blkio_v1(directories.get("blkio", "")),
        # A hybrid layout may keep huge pages in v2.
        "hugetlb": _hugetlb_v1(directories["hugetlb"]) if "hugetlb" in directories else _hugetlb_v2(unified),
        "intel_rdt": {},
        "network_interfaces": None,
    }


def _v2(directory: str) -> Data:
    return {
        "cpu": _cpu_v2(directory),
        "cpuset": {"cpus": _ids(_text(directory, "cpuset.cpus")), "mems": _ids(_text(directory, "cpuset.mems"))},
        "memory": _memory_v2(directory),
        "pids": _pids(directory),
        "blkio": _blkio_v2(directory),
        "hugetlb": _hugetlb_v2(directory),
        "intel_rdt": {},
        "network_interfaces": None,
    }


def _text(directory: str, name: str) -> str:
    """Return a file's content; empty if there is none, or no such controller."""
    try:
        return files.read(f"{directory}/{name}") if directory else ""
    except OSError:
        return ""


def _number(directory: str, name: str, unlimited: int = 0) -> int:
    text = _text(directory, name)
    return int(text) if text.lstrip("-").isdigit() else unlimited if text == "max" else 0


def _pairs(directory: str, name: str) -> dict[str, int]:
    lines = (line.partition(" ") for line in _text(directory, name).splitlines())
    return {key: int(value) for key, _space, value in lines if value.isdigit()}


def _ids(text: str) -> list[int]:
    """Read a list like 0-3,8."""
    result: list[int] = []
    for part in text.split(",") if text else ():
        first, _dash, last = part.partition("-")
        result += range(int(first), int(last or first) + 1)
    return result


def _without_zeros(document: Data) -> Data:
    return {key: value for key, value in document.items() if value}


def _throttling(periods: int, throttled: int, nanoseconds: int) -> Data:
    return _without_zeros({"periods": periods, "throttledPeriods": throttled, "throttledTime": nanoseconds})


def _cpu_v1(cpu: str, accounting: str) -> Data:
    ticks = _pairs(accounting, "cpuacct.stat")
    each = [line.split() for line in _text(accounting, "cpuacct.usage_all").splitlines()[1:]]
    stat = _pairs(cpu, "cpu.stat")
    usage = {
        "total": _number(accounting, "cpuacct.usage"),
        "percpu": [int(word) for word in _text(accounting, "cpuacct.usage_percpu").split()],
        "percpu_kernel": [int(words[2]) for words in each],
        "percpu_user": [int(words[1]) for words in each],
        "kernel": ticks.get("system", 0) * _NANOSECONDS_A_TICK,
        "user": ticks.get("user", 0) * _NANOSECONDS_A_TICK,
    }
    throttled = _throttling(stat.get("nr_periods", 0), stat.get("nr_throttled", 0), stat.get("throttled_time", 0))
    return {"usage": usage, "throttling": throttled}


def _cpu_v2(directory: str) -> Data:
    stat = _pairs(directory, "cpu.stat")
    usage = {
        "total": stat.get("usage_usec", 0) * 1000,
        "kernel": stat.get("system_usec", 0) * 1000,
        "user": stat.get("user_usec", 0) * 1000,
    }
    nanoseconds = stat.get("throttled_usec", 0) * 1000
    throttled = _throttling(stat.get("nr_periods", 0), stat.get("nr_throttled", 0), nanoseconds)
    return {"usage": usage, "throttling": throttled, **_pressure(directory, "cpu.pressure")}


def _pressure(directory: str, name: str) -> Data:
    """Read a file of pressure stall information: `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`."""
    result: Data = {}
    for line in _text(directory, name).splitlines():
        kind, *pairs = line.split()
        values = dict(pair.partition("=")[::2] for pair in pairs)
        result[kind] = {key: int(value) if key == "total" else float(value) for key, value in values.items()}
    return {"psi": result} if result else {}


def _cpuset(directory: str) -> Data:
    if not directory:
        return {}
    names = (
        "cpu_exclusive mem_hardwall mem_exclusive memory_migrate memory_spread_page memory_spread_slab memory_pressure "
        "sched_load_balance sched_relax_domain_level"
    ).split()
    lists = {name: _ids(_text(directory, f"cpuset.{name}")) for name in ("cpus", "mems")}
    return {**lists, **{name: _number(directory, f"cpuset.{name}") for name in names}}


def _memory_v1(directory: str) -> Data:
    if not directory:
        return {}
    result: Data = {}
    parts = {"usage": "memory", "swap": "memory.memsw", "kernel": "memory.kmem", "kernelTCP": "memory.kmem.tcp"}
    for name, beginning in parts.items():
        amounts = {"usage": "usage_in_bytes", "max": "max_usage_in_bytes"}
        result[name] = {
            "limit": _number(directory, f"{beginning}.limit_in_bytes"),
            **_without_zeros({key: _number(directory, f"{beginning}.{file}") for key, file in amounts.items()}),
            "failcnt": _number(directory, f"{beginning}.failcnt"),
        }
    raw = _pairs(directory, "memory.stat")
    return {**_without_zeros({"cache": raw.get("cache", 0)}), **result, "raw": raw}


def _memory_v2(directory: str) -> Data:
    raw = _pairs(directory, "memory.stat")
    usage, limit = _number(directory, "memory.current"), _number(directory, "memory.max", _UNLIMITED)
    swap, most = _number(directory, "memory.swap.current"), _number(directory, "memory.swap.max", _UNLIMITED)
    failures = _pairs(directory, "memory.events").get("max", 0)
    return {
        **_without_zeros({"cache": raw.get("file", 0)}),
        "usage": {"limit": limit, "usage": usage, "max": _number(directory, "memory.peak"), "failcnt": failures},
        # As in v1: memory and swap together.
        "swap": {"limit": min(most + limit, _UNLIMITED), "usage": swap + usage, "failcnt": 0},
        "raw": raw,
        **_pressure(directory, "memory.pressure"),
    }


def _pids(directory: str) -> Data:
    return _without_zeros({"current": _number(directory, "pids.current"), "limit": _number(directory, "pids.max")})


def _blkio_v1(directory: str) -> Data:
    result: Data = {}
    for name, file in _BLKIO.items():
        for beginning in _BLKIO_BEGINNINGS:
            lines = _text(directory, f"{beginning}{file}_recursive").splitlines()
            found = [entry for line in lines if (entry := _blkio_entry(line.split()))]
            if found:
                result[name] = found
                break
    return result


def _blkio_entry(words: list[str]) -> Data:
    """Read `8:0 Read 4096` or `8:0 4096`; what is not of a device is a total."""
    major, colon, minor = words[0].partition(":")
    if not colon:
        return {}
    operation = {"op": words[1]} if len(words) == 3 else {}
    return {"major": int(major), "minor": int(minor), **operation, "value": int(words[-1])}


def _blkio_v2(directory: str) -> Data:
    result: Data = {}
    for line in _text(directory, "io.stat").splitlines():
        device, *pairs = line.split()
        major, _colon, minor = device.partition(":")
        for pair in pairs:
            key, _equals, value = pair.partition("=")
            if key in _IO_STAT and minor.isdigit():
                name, operation = _IO_STAT[key]
                entry = {"major": int(major), "minor": int(minor), "op": operation, "value": int(value)}
                result.setdefault(name, []).append(entry)
    return {**result, **_pressure(directory, "io.pressure")}


def _page_sizes(directory: str, ending: str) -> list[str]:
    try:
        names = posix.listdir(directory) if directory else []
    except OSError:
        return []
    parts = (name.split(".") for name in names)
    return sorted(words[1] for words in parts if words[0] == "hugetlb" and words[2:] == [ending])


def _hugetlb_v1(directory: str) -> Data:
    result = {}
    for size in _page_sizes(directory, "usage_in_bytes"):
        amounts = {"usage": "usage_in_bytes", "max": "max_usage_in_bytes"}
        found = {key: _number(directory, f"hugetlb.{size}.{file}") for key, file in amounts.items()}
        result[size] = {**_without_zeros(found), "failcnt": _number(directory, f"hugetlb.{size}.failcnt")}
    return result


def _hugetlb_v2(directory: str) -> Data:
    result = {}
    for size in _page_sizes(directory, "current"):
        usage = _without_zeros({"usage": _number(directory, f"hugetlb.{size}.current")})
        result[size] = {**usage, "failcnt": _pairs(directory, f"hugetlb.{size}.events").get("max", 0)}
    return result
