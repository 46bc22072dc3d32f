"""`pod pod clone`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument, Option

SHARED = (
    "pod.cli.flags.general:label,label_file",
    "pod.cli.flags.identity:hostname",
    "pod.cli.flags.storage:shm_size,shm_size_systemd,volume,volumes_from",
    "pod.cli.flags.namespaces:gidmap,pid,subgidname,subuidname,uidmap,userns,uts",
    "pod.cli.flags.resources:blkio_weight,blkio_weight_device,cpu_shares,cpus,cpuset_cpus,cpuset_mems,"
    "device_read_bps,device_write_bps,memory,memory_swap",
    "pod.cli.flags.cgroups:cgroup_parent",
    "pod.cli.flags.devices:device,gpus",
    "pod.cli.flags.security:security_opt,sysctl",
    "pod.cli.flags.lifecycle:restart",
)


def main(
    pod: Annotated[str, Argument(metavar="POD", help="Name or ID of the original")],
    new_name: Annotated[str, Argument(metavar="[NAME]", help="The name of the copy")] = "",
    destroy: Annotated[bool, Option("--destroy", help="Remove the original pod once the copy is there")] = False,
    infra_command: Annotated[
        str, Option("--infra-command", metavar="string", help="The program of the infra container")
    ] = "",
    infra_conmon_pidfile: Annotated[
        str,
        Option(
            "--infra-conmon-pidfile", metavar="string", help="Path to the file that will receive the PID of the monitor"
        ),
    ] = "",
    infra_name: Annotated[
        str, Option("--infra-name", metavar="string", help="Assign a name to the infra container")
    ] = "",
    name: Annotated[str, Option("--name", "-n", metavar="string", help="Name the new pod")] = "",
    start: Annotated[bool, Option("--start", help="Start the new pod")] = False,
    **flags: Any,
) -> int:
    """Create a copy of a pod and of the containers within it."""
    from pod.cli import each, pod_creating
    from pod.cli.pods import act
    from pod.engine import open_engine
    from pod.errors import PodError
    from pod.pods import rows
    from pod.pods.clone import clone
    from pod.pods.remove import remove
    from pod.pods.start import start as start_pod

    if new_name and name:
        raise PodError("cannot set --name and give a name as an argument", hint="leave out one of them")
    request = pod_creating.PodRequest(new_name or name)
    request.apply(SHARED, flags)
    request.take_infra(infra_command, infra_conmon_pidfile, "", infra_name, wanted=True)
    engine = open_engine(write=True)
    original = rows.find(engine.connection, pod)
    made = clone(engine, original, request.options)
    if destroy:
        remove(engine, original, force=True, warn=each.warn)
    return act([made], lambda copy: start_pod(engine, copy) if start else None)
