"""`pod ps`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Option

    from pod.containers.listing import Listed

_HEADER = ("CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES")
_COLUMNS = ("ID", "Image", "Command", "CreatedHuman", "Status", "Ports", "Names")
_HEADERS = {"ID": "CONTAINER ID", "RunningFor": "CREATED", "CreatedHuman": "CREATED", "ImageID": "IMAGE ID"}


def main(
    all: Annotated[bool, Option("--all", "-a", help="Show all the containers, default is only running ones")] = False,
    external: Annotated[bool, Option("--external", hidden=True, help="Accepted: there are no external ones")] = False,
    filter: Annotated[
        list[str] | None, Option("--filter", "-f", metavar="strings", help="Filter output based on conditions given")
    ] = None,
    format: Annotated[
        str, Option("--format", metavar="string", help="Pretty-print containers to JSON or using a Go template")
    ] = "",
    last: Annotated[
        int, Option("--last", "-n", metavar="int", help="Print the n last created containers (all states)")
    ] = -1,
    latest: Annotated[bool, Option("--latest", "-l", help="Act on the latest container")] = False,
    namespace: Annotated[bool, Option("--namespace", "--ns", help="Display namespace information")] = False,
    no_trunc: Annotated[bool, Option("--no-trunc", help="Display the extended information")] = False,
    noheading: Annotated[bool, Option("--noheading", help="Do not print headers")] = False,
    pod: Annotated[bool, Option("--pod", "-p", hidden=True, help="Accepted: pods are to come")] = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="Print the numeric IDs of the containers only")] = False,
    size: Annotated[bool, Option("--size", "-s", help="Display the total file sizes")] = False,
    sort: Annotated[
        str,
        Option(
            "--sort", metavar="string", help="Sort output by command, created, id, image, names, runningfor, status"
        ),
    ] = "created",
    sync: Annotated[bool, Option("--sync", hidden=True, help="Accepted: the state is always true")] = False,
) -> None:
    """List containers."""
    from pod.cli import output
    from pod.containers import listing
    from pod.engine import open_engine

    engine = open_engine(write=False)
    items = listing.listed(engine)
    if filter:
        from pod.containers.filters import filtered

        items = filtered(items, filter, engine)
    if latest or last >= 0:
        items = items[-1:] if latest else items[max(len(items) - last, 0) :]
    elif not all and not any(text.startswith(("status=", "exited=")) for text in filter or []):
        items = [item for item in items if item.status.is_running]
    items.sort(key=listing.sort_key(sort), reverse=sort == "created")
    if quiet and not format:
        output.write("".join(f"{_id(item, no_trunc)}\n" for item in items))
        return
    if format:
        from pod.template.values import record

        rows = [record(_row(item, no_trunc, engine.config.graphroot if size else "")) for item in items]
        output.print_rows(
            rows,
            format,
            entity="ps",
            headers=_HEADERS,
            noheading=noheading,
            objects=[listing.json_object(item) for item in items],
        )
        return
    if namespace:
        output.print_table(*_namespaces(items, no_trunc), noheading=noheading)
        return
    columns, header = list(_COLUMNS), list(_HEADER)
    if size:
        columns.append("Size")
        header.append("SIZE")
    rows = [_row(item, no_trunc, engine.config.graphroot if size else "") for item in items]
    output.print_table(header, [[row[column] for column in columns] for row in rows], noheading=noheading)


def _id(item: Listed, no_trunc: bool) -> str:
    return item.container.id if no_trunc else item.container.id[:12]


def _row(item: Listed, no_trunc: bool, graphroot: str) -> dict[str, Any]:
    from time import gmtime, strftime

    from pod.cli import output
    from pod.containers.listing import status_text

    container, status = item.container, item.status
    command = " ".join(item.command)
    if not no_trunc and len(command) > 17:
        command = command[:17] + "..."
    return {
        "ID": _id(item, no_trunc),
        "Id": container.id,
        "Image": container.config["image_name"],
        "ImageID": container.image if no_trunc else container.image[:12],
        "Command": command,
        "Created": output.age(container.created),
        "CreatedHuman": output.age(container.created),
        "CreatedAt": strftime("%Y-%m-%d %H:%M:%S +0000 UTC", gmtime(container.created)),
        "RunningFor": output.age(container.created),
        "Status": status_text(status),
        "State": status.state,
        "Ports": "",
        "Names": container.name,
        "Labels": container.config["labels"],
        "Mounts": ",".join(mount["target"] for mount in container.config["mounts"]),
        "Networks": "",
        "Pod": "",
        "PodName": "",
        "Pid": status.pid,
        "ExitCode": status.exit_code,
        "Exited": status.state == "exited",
        "ExitedAt": int(status.finished),
        "StartedAt": int(status.started),
        "AutoRemove": container.auto_remove,
        "Restarts": 0,
        "IsInfra": False,
        "Size": _size(f"{graphroot}/containers/{container.id}/upper") if graphroot else "",
    }


def _size(directory: str) -> str:
    import os

    from pod.cli import output

    total = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(f"{parent}/{name}").st_size
            except OSError:
                continue  # it may be gone by now, or belong to another user
    return output.size(total)


def _namespaces(items: list[Listed], no_trunc: bool) -> tuple[list[str], list[list[str]]]:
    import os

    kinds = ("cgroup", "ipc", "mnt", "net", "pid", "uts", "user")
    rows = []
    for item in items:
        numbers = []
        for kind in kinds:
            try:
                numbers.append(os.readlink(f"/proc/{item.status.pid}/ns/{kind}").partition("[")[2].rstrip("]"))
            except OSError:
                numbers.append("")
        rows.append([_id(item, no_trunc), item.container.name, str(item.status.pid), *numbers])
    return ["CONTAINER ID", "NAMES", "PID", *(("USERNS" if kind == "user" else kind.upper()) for kind in kinds)], rows
