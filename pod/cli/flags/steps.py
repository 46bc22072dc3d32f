"""Flags on the containers in which a build's steps run: those of `run`, under the same names."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Option

    from pod.cli.building import Asked

# Which group of `run`'s flags declares what they mean.
GROUPS = {
    "identity": ("add_host", "http_proxy", "no_hostname", "no_hosts"),
    "security": ("cap_add", "cap_drop", "security_opt"),
    "cgroups": ("cgroup_parent", "ulimit"),
    "namespaces": ("cgroupns", "ipc", "pid", "uts"),
    "resources": ("cpu_period", "cpu_quota", "cpu_shares", "cpuset_cpus", "cpuset_mems", "memory", "memory_swap"),
    "devices": ("device",),
    "network": ("dns", "dns_option", "dns_search"),
    "process": ("group_add",),
    "storage": ("shm_size", "volume"),
}


def declare(
    target: Asked,
    *,
    add_host: Annotated[
        list[str] | None, Option("--add-host", metavar="host:ip", help="Add a custom host-to-IP mapping")
    ] = None,
    cap_add: Annotated[
        list[str] | None, Option("--cap-add", metavar="strings", help="Add the specified capability when running")
    ] = None,
    cap_drop: Annotated[
        list[str] | None, Option("--cap-drop", metavar="strings", help="Drop the specified capability when running")
    ] = None,
    cgroup_parent: Annotated[
        str, Option("--cgroup-parent", metavar="string", help="Optional parent cgroup for the container")
    ] = "",
    cgroupns: Annotated[str, Option("--cgroupns", metavar="string", help="'private', or 'host'")] = "",
    cpu_period: Annotated[
        int, Option("--cpu-period", metavar="uint", min=0, help="Limit the CPU CFS (Completely Fair Scheduler) period")
    ] = 0,
    cpu_quota: Annotated[
        int, Option("--cpu-quota", metavar="int", help="Limit the CPU CFS (Completely Fair Scheduler) quota")
    ] = 0,
    cpu_shares: Annotated[
        int, Option("--cpu-shares", "-c", metavar="uint", min=0, help="CPU shares (relative weight)")
    ] = 0,
    cpuset_cpus: Annotated[
        str, Option("--cpuset-cpus", metavar="string", help="CPUs in which to allow execution (0-3, 0,1)")
    ] = "",
    cpuset_mems: Annotated[
        str, Option("--cpuset-mems", metavar="string", help="Memory nodes in which to allow execution (0-3, 0,1)")
    ] = "",
    device: Annotated[
        list[str] | None, Option("--device", metavar="strings", help="Additional devices to provide")
    ] = None,
    dns: Annotated[list[str] | None, Option("--dns", metavar="strings", help="Set custom DNS servers")] = None,
    dns_option: Annotated[
        list[str] | None, Option("--dns-option", metavar="strings", help="Set custom DNS options")
    ] = None,
    dns_search: Annotated[
        list[str] | None, Option("--dns-search", metavar="strings", help="Set custom DNS search domains")
    ] = None,
    group_add: Annotated[
        list[str] | None,
        Option("--group-add", metavar="strings", help="Add additional groups to the primary container process"),
    ] = None,
    http_proxy: Annotated[bool, Option("--http-proxy", help="Pass through HTTP proxy environment variables")] = True,
    ipc: Annotated[
        str, Option("--ipc", metavar="string", help="'private', path of IPC namespace to join, or 'host'")
    ] = "",
    memory: Annotated[str, Option("--memory", "-m", metavar="string", help="Memory limit (unit = b, k, m or g)")] = "",
    memory_swap: Annotated[
        str, Option("--memory-swap", metavar="string", help="Limit of memory plus swap: '-1' to enable unlimited swap")
    ] = "",
    no_hostname: Annotated[
        bool, Option("--no-hostname", help="Do not create /etc/hostname within RUN instructions")
    ] = False,
    no_hosts: Annotated[bool, Option("--no-hosts", help="Do not create /etc/hosts within RUN instructions")] = False,
    pid: Annotated[
        str, Option("--pid", metavar="string", help="'private', path of PID namespace to join, or 'host'")
    ] = "",
    security_opt: Annotated[
        list[str] | None, Option("--security-opt", metavar="strings", help="Security Options")
    ] = None,
    shm_size: Annotated[
        str, Option("--shm-size", metavar="string", help="Size of '/dev/shm' (unit = b, k, m or g)")
    ] = "",
    ulimit: Annotated[list[str] | None, Option("--ulimit", metavar="strings", help="Ulimit options")] = None,
    uts: Annotated[
        str, Option("--uts", metavar="string", help="'private', path of UTS namespace to join, or 'host'")
    ] = "",
    volume: Annotated[
        list[str] | None,
        Option("--volume", "-v", metavar="strings", help="Bind mount a volume into the containers of RUN"),
    ] = None,
) -> None:
    """Note what is said, for each group what is not its default."""
    said: dict[str, Any] = {
        "add_host": add_host,
        "cap_add": cap_add,
        "cap_drop": cap_drop,
        "cgroup_parent": cgroup_parent,
        "cgroupns": cgroupns,
        "cpu_period": cpu_period,
        "cpu_quota": cpu_quota,
        "cpu_shares": cpu_shares,
        "cpuset_cpus": cpuset_cpus,
        "cpuset_mems": cpuset_mems,
        "device": device,
        "dns": dns,
        "dns_option": dns_option,
        "dns_search": dns_search,
        "group_add": group_add,
        "http_proxy": http_proxy,
        "ipc": ipc,
        "memory": memory,
        "memory_swap": memory_swap,
        "no_hostname": no_hostname,
        "no_hosts": no_hosts,
        "pid": pid,
        "security_opt": security_opt,
        "shm_size": shm_size,
        "ulimit": ulimit,
        "uts": uts,
        "volume": volume,
    }
    said["no_hosts"] = no_hosts or None
    said["http_proxy"] = None if http_proxy else False
    for group, names in GROUPS.items():
        own = {name: said[name] for name in names if said[name] not in (None, "", 0, False) or name == "http_proxy"}
        if any(value is not None for value in own.values()):
            target.run_flags[group] = {name: value for name, value in own.items() if value is not None}
