"""Limits as people ask for them: from the words of the command line to `linux.resources` of the runtime spec.

Sources: podman-run(1) for words and messages, runtime-spec's config-linux.md for the values.
"""

from __future__ import annotations

import posix
from _stat import S_ISBLK, S_ISCHR

from pod import values
from pod.errors import PodError
from runtime import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pod.config import Config
    from pod.containers.create import CreateOptions
    from pod.pods.create import PodOptions

    Resources = dict[str, Any]

_THROTTLES = {
    "device_read_bps": "throttleReadBpsDevice",
    "device_write_bps": "throttleWriteBpsDevice",
    "device_read_iops": "throttleReadIOPSDevice",
    "device_write_iops": "throttleWriteIOPSDevice",
}
_CAP_SYS_RESOURCE = 24
_MOST = 2**63 - 1
_PERIOD_HINT = "CPU cfs period cannot be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"


def add(resources: Resources, section: str, **found: Any) -> None:
    """Note what was asked for (None is nothing) in one section of the resources."""
    given = {key: value for key, value in found.items() if value is not None}
    if given:
        resources.setdefault(section, {}).update(given)


def memory(flag: str, text: str) -> int | None:
    """Return the bytes of a flag; None where nothing is limited. -1 is for swap only: without limit.

    Raises PodError for what is no size.
    """
    if flag == "memory-swap" and text.strip() == "-1":
        return -1
    try:
        return values.parse_size(text) or None if text else None
    except PodError as error:
        raise PodError(f"invalid value for {flag}: {error}", hint=error.hint) from None


def cpus(number: float) -> tuple[int, int] | None:
    """Return quota and period for a number of processors; None for no limit, as podman takes what is not above 0.

    Raises PodError for more than there can be.
    """
    if not number > 0:
        return None
    if number > 65536:
        raise PodError(
            f"invalid number of CPUs: {number}", hint="no machine has as many: leave out --cpus for no limit"
        )
    return max(1000, int(number * 100000)), 100000


def weight(text: str) -> int | None:
    """Return the weight of block I/O. Raises PodError for what is no number."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise PodError(
            f'invalid value for blkio-weight: strconv.ParseUint: parsing "{text}": invalid syntax',
            hint="the weight is between 10 and 1000",
        )
    return int(text) or None


def weight_devices(items: list[str]) -> list[Resources]:
    """Return the weights of `DEVICE:WEIGHT`. Raises PodError for what is none."""
    found = []
    for item in items:
        path, separator, text = item.rpartition(":")
        if not separator:
            raise PodError(f"bad format: {item}", hint="write it like /dev/sda:500")
        if not path.startswith("/dev/"):
            raise PodError(f"bad format for device path: {item}", hint="write it like /dev/sda:500")
        if not (text.isdigit() and (10 <= int(text) <= 1000 or int(text) == 0)):
            raise PodError(f"invalid weight for device: {item}", hint="the weight is between 10 and 1000")
        number = _device_number(path, f"failed to inspect '{path}' in --blkio-weight-device")
        found.append({"major": posix.major(number), "minor": posix.minor(number), "weight": int(text)})
    return found


def throttles(flag: str, items: list[str]) -> tuple[str, list[Resources]]:
    """Return the key of blockIO and the entries for `DEVICE:RATE` of one of the four flags.

    Raises PodError for what is none.
    """
    in_bytes = flag.endswith("bps")
    form = (
        "<device-path>:<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb"
    )
    form = form if in_bytes else "<device-path>:<number>. Number must be a positive integer"
    found = []
    for item in items:
        path, separator, text = item.rpartition(":")
        if not separator:
            raise PodError(f"bad format: {item}", hint="write it like /dev/sda:1000")
        if not path.startswith("/dev/"):
            raise PodError(f"bad format for device path: {item}", hint="write it like /dev/sda:1000")
        try:
            rate = values.parse_size(text) if in_bytes else int(text)
        except (PodError, ValueError):
            rate = -1
        if not 0 <= rate <= _MOST:
            raise PodError(f"invalid rate for device: {item}. The correct format is {form}")
        number = _device_number(path, f"could not parse throttle device at {path}")
        found.append({"major": posix.major(number), "minor": posix.minor(number), "rate": rate})
    return _THROTTLES[flag], found


def _device_number(path: str, attempt: str) -> int:
    try:
        status = posix.stat(path)
    except OSError as error:
        raise PodError(f"{attempt}: {(error.strerror or '').lower()}") from None
    if not (S_ISBLK(status.st_mode) or S_ISCHR(status.st_mode)):
        raise PodError(f"{attempt}: not a device node")
    return status.st_rdev


def cgroup_conf(items: list[str]) -> dict[str, str]:
    """Return file and value of each `KEY=VALUE`. Raises PodError for what is none."""
    found = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals or not name or "/" in name:
            raise PodError("--cgroup-conf must be formatted KEY=VALUE", hint="for example memory.high=1073741824")
        found[name] = value
    return found


def check(resources: Resources, *, unified: bool) -> None:
    """Refuse, with podman's words, what contradicts itself or what this machine does not have.

    `unified` tells whether the machine has cgroup v2 alone. Raises PodError.
    """
    _check_memory(resources.get("memory") or {})
    _check_cpu(resources.get("cpu") or {})
    amount = (resources.get("blockIO") or {}).get("weight")
    if amount is not None and not 10 <= amount <= 1000:
        raise PodError("range of blkio weight is from 10 to 1000")
    if resources.get("unified") and not unified:
        raise PodError("cannot use --cgroup-conf without cgroup v2")
    if not unified:
        return
    for section, key, flag in (
        ("memory", "swappiness", "--memory-swappiness"),
        ("memory", "disableOOMKiller", "--oom-kill-disable"),
        ("cpu", "realtimePeriod", "--cpu-rt-period"),
        ("cpu", "realtimeRuntime", "--cpu-rt-runtime"),
    ):
        if (resources.get(section) or {}).get(key) not in (None, False):
            raise PodError(
                f"{flag} is not supported on cgroups V2 systems", hint="the kernel has no such setting there"
            )


def _check_memory(memory: Resources) -> None:
    limit, swap, reservation = memory.get("limit"), memory.get("swap"), memory.get("reservation")
    if swap is not None and limit is None:
        raise PodError("you should always set a memory limit when using a memoryswap limit, see usage")
    if limit is not None and swap is not None and -1 != swap < limit:
        raise PodError("minimum memoryswap limit should be larger than memory limit, see usage")
    if limit is not None and reservation is not None and limit < reservation:
        raise PodError("minimum memory limit cannot be less than memory reservation limit, see usage")
    swappiness = memory.get("swappiness")
    if swappiness is not None and not 0 <= swappiness <= 100:
        raise PodError(f"invalid value: {swappiness}, valid memory swappiness range is 0-100")


def _check_cpu(cpu: Resources) -> None:
    period, quota = cpu.get("period"), cpu.get("quota")
    if period is not None and not 1000 <= period <= 1000000:
        raise PodError(_PERIOD_HINT)
    if quota is not None and 0 < quota < 1000:
        raise PodError("CPU cfs quota cannot be less than 1ms (i.e. 1000)")
    if cpu.get("shares") is not None and cpu["shares"] < 2:
        raise PodError("the minimum allowed cpu-shares is 2")
    for key, what in (("cpus", "CPUs"), ("mems", "memory nodes")):
        if cpu.get(key):
            _check_set(cpu[key], key, what)


def online(key: str) -> str:
    """Return the processors ("cpus") or memory nodes ("mems") that the machine has, as a list such as 0-3."""
    return _read(f"/sys/devices/system/{'cpu' if key == 'cpus' else 'node'}/online") or "0"


def _check_set(text: str, key: str, what: str) -> None:
    available = online(key)
    try:
        wanted = numbers(text)
    except ValueError:
        raise PodError(f"invalid value {text} for cpuset {key}", hint="write it like 0-2,7") from None
    if not wanted <= numbers(available):
        raise PodError(f"requested {what} are not available - requested {text}, available: {available}")


def numbers(text: str) -> set[int]:
    """Return the numbers of a list such as 0-2,7; ValueError for what is none."""
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not first.isdigit() or (dash and not (last.isdigit() and int(first) <= int(last) < 65536)):
            raise ValueError(part)
        found.update(range(int(first), int(last if dash else first) + 1))
    return found


def complete(resources: Resources) -> None:
    """Add what podman derives: swap is twice the memory unless it is said."""
    memory = resources.get("memory") or {}
    if memory.get("limit") is not None and memory["limit"] > 0 and memory.get("swap") is None:
        memory["swap"] = min(memory["limit"] * 2, _MOST)


def discard_unsupported(resources: Resources, *, unified: bool) -> list[str]:
    """Drop what podman drops with a warning where the kernel lacks it; return the warnings, in podman's words."""
    block_io = resources.get("blockIO") or {}
    weights = [key for key in ("weight", "weightDevice") if block_io.get(key)]
    if unified or not weights:
        return []
    warnings = []
    for key, name in (("weight", "weight"), ("weightDevice", "weight_device")):
        # The root has no weight of its own: that BFQ is there shows that its other cgroups do.
        files = ("/sys/fs/cgroup/blkio/blkio.bfq.io_service_bytes", f"/sys/fs/cgroup/blkio/blkio.{name}")
        if key in weights and not any(map(paths.exists, files)):
            del block_io[key]
            warnings.append(
                f"Your kernel does not support Block I/O {name} or the cgroup is not mounted."
                f" {'Weight' if key == 'weight' else 'Weight-device'} discarded."
            )
    if not block_io:
        del resources["blockIO"]
    return warnings


def drop_on_v1(options: CreateOptions | PodOptions) -> None:
    """Drop an ordinary user's limits on cgroup v1, where nothing is ever delegated; the warning is podman's."""
    if not is_unified():
        options.resources = {}
        options.warnings.append("Resource limits are not supported and ignored on cgroups V1 rootless systems")


def settle(config: Config, options: CreateOptions) -> None:
    """Bring what was asked for together with containers.conf and this machine. Raises PodError for what cannot be."""
    unified = is_unified()
    if options.ulimits is None:
        options.ulimits = [values.parse_ulimit(item) for item in config.containers.get("default_ulimits") or []]
    conf = cgroup_conf(config.containers.get("cgroup_conf") or []) if unified else {}
    if conf:
        options.resources["unified"] = conf | (options.resources.get("unified") or {})
    if options.resources:
        check(options.resources, unified=unified)
        complete(options.resources)
        options.warnings += discard_unsupported(options.resources, unified=unified)
    if options.oom_score_adj is None:
        options.oom_score_adj = config.containers.get("oom_score_adj")
    if options.oom_score_adj is not None:
        options.oom_score_adj = _oom_score(options.oom_score_adj, options.warnings, rootless=config.rootless)


def _oom_score(wanted: int, warnings: list[str], *, rootless: bool) -> int:
    """Return the OOM score as far as it can be had: to lower it takes CAP_SYS_RESOURCE."""
    now = int(_read("/proc/self/oom_score_adj") or "0")
    effective = next((line for line in _read("/proc/self/status").splitlines() if line.startswith("CapEff")), "x 0")
    if wanted >= now or (not rootless and int(effective.split()[1], 16) >> _CAP_SYS_RESOURCE & 1):
        return wanted
    warnings.append(f"Requested oom_score_adj={wanted} is lower than the current one, changing to {now}")
    return now


def is_unified() -> bool:
    """Tell whether this machine has cgroup v2 alone."""
    return paths.exists("/sys/fs/cgroup/cgroup.controllers")


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
