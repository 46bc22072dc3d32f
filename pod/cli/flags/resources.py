"""Flags on limits: memory, processors, processes, and the control groups that hold them."""

from __future__ import annotations

from pod import values
from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option

    from pod.containers.create import CreateOptions


def declare(
    options: CreateOptions,
    *,
    cgroups: Annotated[
        str, Option("--cgroups", metavar="string", help='Control groups of the container ("enabled"|"disabled")')
    ] = "enabled",
    cpus: Annotated[str, Option("--cpus", metavar="float", help="Number of CPUs, 0.000 means no limit")] = "",
    cpuset_cpus: Annotated[
        str, Option("--cpuset-cpus", metavar="string", help="CPUs in which to allow execution (0-3, 0,1)")
    ] = "",
    memory: Annotated[
        str, Option("--memory", "-m", metavar="<number>[<unit>]", help="Memory limit (unit = b, k, m or g)")
    ] = "",
    pids_limit: Annotated[
        int | None, Option("--pids-limit", metavar="int", help="Tune container pids limit (-1 for unlimited)")
    ] = None,
    ulimit: Annotated[
        list[str] | None, Option("--ulimit", metavar="stringArray", help="Ulimit options (name=soft[:hard])")
    ] = None,
) -> None:
    """Note what is asked for. Raises PodError for what makes no sense."""
    options.cgroups = _cgroups(cgroups)
    options.pids_limit = pids_limit
    options.resources = _resources(memory=memory, cpus=cpus, cpuset_cpus=cpuset_cpus)
    options.ulimits = [values.parse_ulimit(item) for item in ulimit or []]


def _cgroups(mode: str) -> bool:
    if mode not in ("enabled", "no-conmon", "disabled"):
        raise PodError(f'invalid cgroup mode "{mode}"', hint="known are enabled and disabled")
    return mode != "disabled"


def _resources(*, memory: str, cpus: str, cpuset_cpus: str) -> dict[str, dict[str, int | str]]:
    resources: dict[str, dict[str, int | str]] = {}
    if memory and (limit := values.parse_size(memory)):
        resources["memory"] = {"limit": limit, "swap": limit * 2}
    cpu: dict[str, int | str] = {}
    if cpus and float_or_zero(cpus) != 0:
        cpu["quota"], cpu["period"] = values.parse_cpus(cpus)
    if cpuset_cpus:
        cpu["cpus"] = values.parse_cpuset(cpuset_cpus)
    if cpu:
        resources["cpu"] = cpu
    return resources


def float_or_zero(text: str) -> float:
    """Return the number, 1 for what is none (so that its own parser complains)."""
    try:
        return float(text)
    except ValueError:
        return 1
