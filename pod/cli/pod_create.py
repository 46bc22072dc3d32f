"""`pod pod create`."""

from __future__ import annotations

from pod.cli import flags as groups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument, Option

SHARED = (
    "pod.cli.flags.network:dns,dns_option,dns_search,ip,ip6,mac_address,network,network_alias,publish",
    "pod.cli.flags.identity:add_host,hostname,hosts_file,no_hostname,no_hosts",
    *groups.POD,
)


def main(
    name: Annotated[str, Argument(metavar="[NAME]", help="The name, made up if not given")] = "",
    exit_policy: Annotated[
        str,
        Option(
            "--exit-policy", metavar="string", help='What happens at the end of the last container ("continue"|"stop")'
        ),
    ] = "",
    infra: Annotated[
        bool, Option("--infra", help="Create an infra container associated with the pod to share namespaces with")
    ] = True,
    infra_image: Annotated[
        str, Option("--infra-image", metavar="string", help="Image of the infra container, which has none by default")
    ] = "",
    name_: Annotated[str, Option("--name", "-n", metavar="string", help="Assign a name to the pod")] = "",
    pod_id_file: Annotated[str, Option("--pod-id-file", metavar="string", help="Write the pod ID to the file")] = "",
    replace: Annotated[bool, Option("--replace", help="If a pod with the same name exists, replace it")] = False,
    share: Annotated[
        str | None,
        Option("--share", metavar="string", help="Namespaces that the pod shares, with commas (default ipc,net,uts)"),
    ] = None,
    share_parent: Annotated[
        bool, Option("--share-parent", help="Put the cgroups of the pod's containers below the pod's own")
    ] = True,
    **flags: Any,
) -> None:
    """Create a new empty pod."""
    from pod.cli import pod_creating
    from pod.engine import open_engine
    from pod.errors import PodError

    if name and name_:
        raise PodError("cannot specify --name and NAME at the same time")
    request = pod_creating.PodRequest(name or name_)
    request.apply(SHARED, flags)
    request.replace, request.id_file = replace, pod_id_file
    request.options.share_parent = share_parent
    request.take_share(share, has_infra=infra)
    request.take_infra(infra_image, wanted=infra)
    engine = open_engine(write=True)
    request.take_exit_policy(exit_policy, engine)
    print(pod_creating.create(engine, request).id)
