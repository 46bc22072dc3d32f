"""The flags that several commands share, one group of them a module.

A group is a module with a function `declare`: its keyword-only parameters declare the flags for Typer and the fast
reader, its body notes in the first parameter what they come to. A command names the groups in its SHARED, as modules,
takes what was said as `**flags`, and hands it to `apply`. `GROUP:name,name` stands for no more than those parameters of
a group. A flag that the command declares itself, with another help or another letter, is the command's, not the
group's. The fast reader imports a group only when it meets a flag of it (index.py), so what nobody says must be the
default of whatever `declare` writes to.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

# Those of `run` and `create`, the most used first.
CREATE = tuple(
    f"pod.cli.flags.{name}"
    for name in (
        "general",
        "process",
        "storage",
        "network",
        "resources",
        "cgroups",
        "devices",
        "security",
        "namespaces",
        "identity",
        "lifecycle",
        "health",
        "pod_member",
        "ties",
        "logging",
        "registry",
        "credentials",
        "access",
    )
)

# Those of `build` on the containers of RUN, which are no more than a part of each group.
STEPS = (
    "pod.cli.flags.identity:add_host,http_proxy,no_hostname,no_hosts",
    "pod.cli.flags.security:cap_add,cap_drop,security_opt",
    "pod.cli.flags.cgroups:cgroup_parent,ulimit",
    "pod.cli.flags.namespaces:cgroupns,ipc,pid,uts",
    "pod.cli.flags.resources:cpu_period,cpu_quota,cpu_shares,cpuset_cpus,cpuset_mems,memory,memory_swap",
    "pod.cli.flags.devices:device",
    "pod.cli.flags.network:dns,dns_option,dns_search",
    "pod.cli.flags.process:group_add",
    "pod.cli.flags.storage:shm_size,volume",
)

INFRA = "pod.cli.flags.infra"
# Those of `pod create` and `pod clone` on all of a pod's containers, by what its infra container is to be.
POD = (
    "pod.cli.flags.general:label,label_file",
    "pod.cli.flags.storage:shm_size,shm_size_systemd,volume,volumes_from",
    "pod.cli.flags.namespaces:gidmap,pid,subgidname,subuidname,uidmap,userns,uts",
    "pod.cli.flags.resources:blkio_weight,blkio_weight_device,cpu_shares,cpus,cpuset_cpus,cpuset_mems,"
    "device_read_bps,device_write_bps,memory,memory_swap",
    "pod.cli.flags.cgroups:cgroup_parent",
    "pod.cli.flags.devices:device,gpus",
    "pod.cli.flags.security:security_opt,sysctl",
    "pod.cli.flags.lifecycle:restart",
    INFRA,
)


def declaration(group: str) -> Callable[..., None]:
    """Return the function of a group, whose parameters declare its flags."""
    declare: Callable[..., None] = __import__(group.partition(":")[0], fromlist=["declare"]).declare
    return declare


def owner(groups: Sequence[str], flag: str) -> str:
    """Return which of the groups declares a flag, empty for none; without importing them."""
    from pod.cli.flags.index import FLAGS

    for group in groups:
        if f" {flag} " in FLAGS[group.partition(":")[0].rpartition(".")[2]]:
            return group
    return ""


def parameters(group: str) -> tuple[str, ...]:
    """Return the names of the parameters that a command has from a group; imports it."""
    part = group.partition(":")[2]
    if part:
        return tuple(part.split(","))
    code = declaration(group).__code__
    return code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]


def apply(groups: Sequence[str], flags: dict[str, Any], target: object) -> None:
    """Note in `target` what the flags come to, group by group. Raises PodError for what makes no sense."""
    # What the reader did not import has no flag on this line.
    for group in sorted(groups, key=lambda group: group.partition(":")[0] not in sys.modules):
        if not flags:
            return
        own = {name: flags[name] for name in parameters(group) if name in flags}
        flags = {name: value for name, value in flags.items() if name not in own}
        if own:
            declaration(group)(target, **own)
