"""`pod pod ps`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Option

    from pod.pods.listing import Listed

_HEADERS = {
    "ContainerIds": "IDS",
    "ContainerNames": "NAMES",
    "ContainerStatuses": "STATUS",
    "ID": "POD ID",
    "Id": "POD ID",
    "InfraID": "INFRA ID",
    "InfraId": "INFRA ID",
    "Namespace": "NAMESPACES",
    "NumberOfContainers": "# OF CONTAINERS",
}


def main(
    ctr_ids: Annotated[bool, Option("--ctr-ids", help="Display the container IDs")] = False,
    ctr_names: Annotated[bool, Option("--ctr-names", help="Display the container names")] = False,
    ctr_status: Annotated[bool, Option("--ctr-status", help="Display the container status")] = False,
    filter: Annotated[
        list[str] | None,
        Option("--filter", "-f", metavar="stringArray", help="Filter output based on conditions given"),
    ] = None,
    format: Annotated[
        str, Option("--format", metavar="string", help="Pretty-print pods to JSON or using a Go template")
    ] = "",
    latest: Annotated[bool, Option("--latest", "-l", help="Act on the latest pod pod is aware of")] = False,
    namespace: Annotated[bool, Option("--ns", "--namespace", help="Display namespace information of the pod")] = False,
    no_trunc: Annotated[bool, Option("--no-trunc", help="Do not truncate pod and container IDs")] = False,
    noheading: Annotated[bool, Option("--noheading", "-n", help="Do not print headers")] = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="Print the numeric IDs of the pods only")] = False,
    sort: Annotated[
        str, Option("--sort", metavar="string", help="Sort output by created, id, name, number or status")
    ] = "created",
) -> None:
    """List pods."""
    from pod.cli import output
    from pod.engine import open_engine
    from pod.errors import PodError
    from pod.pods import listing

    if quiet and format:
        raise PodError("quiet and format cannot be used together")
    engine = open_engine(write=False)
    items = listing.filtered(listing.listed(engine), filter or [], engine)
    items = listing.arranged(items[:1] if latest else items, sort)
    if quiet:
        output.write("".join(f"{item.pod.id if no_trunc else item.pod.id[:12]}\n" for item in items))
    elif output.is_json(format):
        output.write(output.to_json([_json(item) for item in items], indent="  ") + "\n")
    elif format:
        rows = [_row(item, no_trunc=no_trunc) for item in items]
        objects = [_json(item) for item in items]
        output.print_rows(rows, format, entity="pod", headers=_HEADERS, noheading=noheading, objects=objects)
    else:
        columns = _columns(ids=ctr_ids, names=ctr_names, status=ctr_status, namespace=namespace)
        rows = [_row(item, no_trunc=no_trunc) for item in items]
        header = [_HEADERS.get(column, column.upper()) for column in columns]
        cells = [[str(row[column]) for column in columns] for row in rows]
        output.print_table(header, cells, noheading=noheading)


def _columns(*, ids: bool, names: bool, status: bool, namespace: bool) -> list[str]:
    found = ["ID", "Name", "Status", "Created", "InfraID", *(["Cgroup", "Namespace"] if namespace else [])]
    kinds = (("ContainerIds", ids), ("ContainerNames", names), ("ContainerStatuses", status))
    return [*found, *([name for name, wanted in kinds if wanted] or ["NumberOfContainers"])]


def _row(item: Listed, *, no_trunc: bool) -> dict[str, Any]:
    """Return what templates may ask for, with podman's names."""
    from pod.cli.output import age
    from pod.template.values import Map

    pod, members = item.pod, item.status.members
    length = None if no_trunc else 12
    labels = pod.config["labels"]
    return {
        "Cgroup": item.cgroup,
        "ContainerIds": ",".join(one.container.id[:length] for one in members),
        "ContainerNames": ",".join(one.container.name for one in members),
        "ContainerStatuses": ",".join(one.status.state for one in members),
        "Created": age(pod.created),
        "ID": pod.id[:length],
        "Id": pod.id[:length],
        "InfraID": pod.infra[:length],
        "InfraId": pod.infra[:length],
        "Label": lambda name: labels.get(name, ""),
        "Labels": Map(labels),
        "Name": pod.name,
        "Namespace": "",
        "Networks": ",".join(item.networks),
        "NumberOfContainers": len(members),
        "Restarts": "",
        "Status": item.status.word,
    }


def _json(item: Listed) -> dict[str, Any]:
    """Return a pod as `pod ps --format json` tells it, with podman's names."""
    from pod.containers.inspect.document import moment

    pod = item.pod
    return {
        "Cgroup": item.cgroup,
        "Containers": [
            {"Id": one.container.id, "Names": one.container.name, "Status": one.status.state, "RestartCount": 0}
            for one in item.status.members
        ],
        "Created": moment(pod.created),
        "Id": pod.id,
        "InfraId": pod.infra,
        "Name": pod.name,
        "Namespace": "",
        "Networks": item.networks,
        "Status": item.status.word,
        "Labels": pod.config["labels"],
    }
