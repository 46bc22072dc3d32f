"""Flags on limits: memory, processors, block I/O, processes. `update` has them as `run` and `create` do."""

from __future__ import annotations

from pod.containers.resources import limits
from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any, Protocol

    from typer import Option

    class Limited(Protocol):
        """Whatever has limits: a container to be, or the changes to one."""

        resources: dict[str, Any]
        pids_limit: int | None


def declare(
    options: Limited,
    *,
    blkio_weight: Annotated[
        str, Option("--blkio-weight", metavar="string", help="Block IO weight (relative weight), between 10 and 1000")
    ] = "",
    blkio_weight_device: Annotated[
        list[str] | None,
        Option(
            "--blkio-weight-device",
            metavar="DEVICE_NAME:WEIGHT",
            help="Block IO weight (relative device weight, format: DEVICE_NAME:WEIGHT)",
        ),
    ] = None,
    cpu_period: Annotated[
        int, Option("--cpu-period", metavar="uint", min=0, help="Limit the CPU CFS (Completely Fair Scheduler) period")
    ] = 0,
    cpu_quota: Annotated[
        int, Option("--cpu-quota", metavar="int", help="Limit the CPU CFS (Completely Fair Scheduler) quota")
    ] = 0,
    cpu_rt_period: Annotated[
        int, Option("--cpu-rt-period", metavar="uint", min=0, help="Limit the CPU real-time period in microseconds")
    ] = 0,
    cpu_rt_runtime: Annotated[
        int, Option("--cpu-rt-runtime", metavar="int", help="Limit the CPU real-time runtime in microseconds")
    ] = 0,
    cpu_shares: Annotated[
        int, Option("--cpu-shares", "-c", metavar="uint", min=0, help="CPU shares (relative weight)")
    ] = 0,
    cpus: Annotated[
        float, Option("--cpus", metavar="float", help="Number of CPUs. The default is 0.000 which means no limit")
    ] = 0.0,
    cpuset_cpus: Annotated[
        str, Option("--cpuset-cpus", metavar="string", help="CPUs in which to allow execution (0-3, 0,1)")
    ] = "",
    cpuset_mems: Annotated[
        str, Option("--cpuset-mems", metavar="string", help="Memory nodes in which to allow execution (0-3, 0,1)")
    ] = "",
    device_read_bps: Annotated[
        list[str] | None,
        Option("--device-read-bps", metavar="strings", help="Limit read rate from a device (/dev/sda:1mb, in bytes)"),
    ] = None,
    device_read_iops: Annotated[
        list[str] | None,
        Option("--device-read-iops", metavar="strings", help="Limit read rate from a device (/dev/sda:1000, in IOs)"),
    ] = None,
    device_write_bps: Annotated[
        list[str] | None,
        Option("--device-write-bps", metavar="strings", help="Limit write rate to a device (/dev/sda:1mb, in bytes)"),
    ] = None,
    device_write_iops: Annotated[
        list[str] | None,
        Option("--device-write-iops", metavar="strings", help="Limit write rate to a device (/dev/sda:1000, in IOs)"),
    ] = None,
    memory: Annotated[
        str, Option("--memory", "-m", metavar="<number>[<unit>]", help="Memory limit (unit = b, k, m or g)")
    ] = "",
    memory_reservation: Annotated[
        str,
        Option("--memory-reservation", metavar="<number>[<unit>]", help="Memory soft limit (unit = b, k, m or g)"),
    ] = "",
    memory_swap: Annotated[
        str,
        Option("--memory-swap", metavar="string", help="Limit of memory plus swap: '-1' to enable unlimited swap"),
    ] = "",
    memory_swappiness: Annotated[
        int,
        Option(
            "--memory-swappiness", metavar="int", help="Memory swappiness (0 to 100, or -1 for the system's default)"
        ),
    ] = -1,
    pids_limit: Annotated[
        int | None, Option("--pids-limit", metavar="int", help="Tune container pids limit (-1 for unlimited)")
    ] = None,
) -> None:
    """Note what is asked for. Raises PodError for what makes no sense."""
    for flag, said in (("cpu-period", cpu_period), ("cpu-quota", cpu_quota)):
        if cpus and said:
            raise PodError(f"--{flag} and --cpus cannot be set together")
    quota, period = limits.cpus(cpus) or (cpu_quota or None, cpu_period or None)
    resources = options.resources
    limits.add(
        resources,
        "memory",
        limit=limits.memory("memory", memory),
        reservation=limits.memory("memory-reservation", memory_reservation),
        swap=limits.memory("memory-swap", memory_swap),
        swappiness=memory_swappiness if memory_swappiness >= 0 else None,
    )
    limits.add(
        resources,
        "cpu",
        shares=cpu_shares or None,
        quota=quota,
        period=period,
        realtimePeriod=cpu_rt_period or None,
        realtimeRuntime=cpu_rt_runtime or None,
        cpus=cpuset_cpus or None,
        mems=cpuset_mems or None,
    )
    rates = {
        "device_read_bps": device_read_bps,
        "device_write_bps": device_write_bps,
        "device_read_iops": device_read_iops,
        "device_write_iops": device_write_iops,
    }
    limits.add(
        resources,
        "blockIO",
        weight=limits.weight(blkio_weight),
        weightDevice=limits.weight_devices(blkio_weight_device or []) or None,
        **dict(limits.throttles(flag, words(items)) for flag, items in rates.items() if items),
    )
    options.pids_limit = pids_limit


def words(items: list[str] | None) -> list[str]:
    """Return the values of a flag that takes several, separated by commas, and may be given several times."""
    return [word for item in items or [] for word in item.split(",") if word]
