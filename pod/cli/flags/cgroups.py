"""Flags on the control group as a whole, on the OOM killer, and on limits of the process (ulimit)."""

from __future__ import annotations

from pod import values
from pod.cli.flags.resources import words
from pod.containers.resources import limits
from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option

    from pod.containers.create import CreateOptions

_MODES = ("enabled", "disabled", "no-conmon", "split")


def declare(
    options: CreateOptions,
    *,
    cgroup_conf: Annotated[
        list[str] | None, Option("--cgroup-conf", metavar="strings", help="Configure cgroup v2 (key=value)")
    ] = None,
    cgroup_parent: Annotated[
        str, Option("--cgroup-parent", metavar="string", help="Optional parent cgroup for the container")
    ] = "",
    cgroups: Annotated[
        str,
        Option(
            "--cgroups",
            metavar="string",
            help='Control container cgroup configuration ("enabled"|"disabled"|"no-conmon"|"split")',
        ),
    ] = "enabled",
    kernel_memory: Annotated[str, Option("--kernel-memory", metavar="string", hidden=True, help="No longer")] = "",
    oom_kill_disable: Annotated[bool, Option("--oom-kill-disable", help="Disable OOM Killer")] = False,
    oom_score_adj: Annotated[
        int | None, Option("--oom-score-adj", metavar="int", help="Tune the host's OOM preferences (-1000 to 1000)")
    ] = None,
    rdt_class: Annotated[
        str, Option("--rdt-class", metavar="string", help="Class of Service (COS) that the container should run in")
    ] = "",
    ulimit: Annotated[
        list[str] | None,
        Option("--ulimit", metavar="strings", help="Ulimit options (name=soft[:hard], or host for the caller's own)"),
    ] = None,
) -> None:
    """Note what is asked for. Raises PodError for what makes no sense."""
    if kernel_memory:
        raise PodError("the --kernel-memory flag is no longer supported", hint="kernel memory counts for --memory")
    if rdt_class:
        raise PodError(
            f"cannot put the container into the RDT class {rdt_class}: Intel's Resource Director Technology is not"
            " supported",
            hint="leave out --rdt-class",
        )
    if cgroups not in _MODES:
        raise PodError(
            f'running container create option: invalid cgroup mode "{cgroups}": invalid argument',
            hint="known are " + ", ".join(_MODES),
        )
    if cgroups == "split" and cgroup_parent:
        raise PodError("cannot specify --cgroup-mode=split with a cgroup-parent: invalid argument")
    if cgroups == "disabled" and cgroup_parent:
        raise PodError("cannot specify --cgroups=disabled with a cgroup-parent: invalid argument")
    if oom_score_adj is not None and not -1000 <= oom_score_adj <= 1000:
        raise PodError(f"invalid value: {oom_score_adj}, valid oom-score-adj range is -1000 to 1000")
    options.cgroups, options.cgroup_parent = cgroups, cgroup_parent
    options.oom_score_adj = oom_score_adj
    if oom_kill_disable:
        limits.add(options.resources, "memory", disableOOMKiller=True)
    if cgroup_conf:
        limits.add(options.resources, "unified", **limits.cgroup_conf(words(cgroup_conf)))
    if ulimit is not None:
        options.ulimits = _ulimits(words(ulimit))


def _ulimits(items: list[str]) -> list[tuple[str, int, int]]:
    """Return the limits; none at all with `host`, which says that the caller's are not to be touched."""
    found = {parsed[0]: parsed for parsed in map(values.parse_ulimit, (item for item in items if item != "host"))}
    return [] if "host" in items else list(found.values())
