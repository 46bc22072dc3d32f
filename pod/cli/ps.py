"""`pod ps`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Annotated, Any

    from typer import Option

    from pod.containers.listing import Listed
    from pod.engine import Engine

_COLUMNS = ("ID", "Image", "Command", "CreatedHuman", "Status", "Ports", "Names")
_HEADERS = {
    "ID": "CONTAINER ID",
    "Cgroup": "CGROUPNS",
    "CreatedHuman": "CREATED",
    "ImageID": "IMAGE ID",
    "Pod": "POD ID",
    "PodName": "PODNAME",
    "RunningFor": "RUNNING FOR",
}


def main(
    all: Annotated[bool, Option("--all", "-a", help="Show all the containers, default is only running ones")] = False,
    external: Annotated[
        bool,
        Option("--external", "--storage", help="Show containers in storage not controlled by pod"),
    ] = False,
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
    no_trunc: Annotated[bool, Option("--no-trunc", "--notruncate", help="Display the extended information")] = False,
    noheading: Annotated[bool, Option("--noheading", help="Do not print headers")] = False,
    pod: Annotated[bool, Option("--pod", "-p", help="Print the ID and name of each container's pod")] = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="Print the numeric IDs of the containers only")] = False,
    size: Annotated[bool, Option("--size", "-s", help="Display the total file sizes")] = False,
    sort: Annotated[
        str,
        Option(
            "--sort",
            metavar="choice",
            help="Sort output by: command, created, id, image, names, pod, runningfor, size, status",
        ),
    ] = "created",
    sync: Annotated[bool, Option("--sync", help="Sync container state with OCI runtime (it always is)")] = False,
    watch: Annotated[
        int, Option("--watch", "-w", metavar="uint", min=0, help="Watch the ps output on an interval in seconds")
    ] = 0,
) -> None:
    """List containers."""
    from pod.engine import open_engine
    from pod.errors import PodError

    if last >= 0 and latest:
        raise PodError("last and latest are mutually exclusive")
    if quiet and (size or namespace):
        raise PodError("quiet conflicts with size and namespace")
    if size and namespace:
        raise PodError("size and namespace options conflict")
    if watch and latest:
        raise PodError("the watch and latest flags cannot be used together")

    def show() -> None:
        engine = open_engine(write=False)
        items = _chosen(engine, all=all, filters=filter or [], last=1 if latest else last, sort=sort)
        if quiet and not format:
            output.write("".join(f"{_id(item, no_trunc)}\n" for item in items))
        elif output.is_json(format):
            told = [listing.json_object(engine, item, size=size, namespace=namespace) for item in items]
            output.write(output.to_json(told, indent="  ") + "\n")
        elif format:
            rows = [_row(engine, item, no_trunc=no_trunc, size=size) for item in items]
            output.print_rows(rows, format, entity="ps", headers=_HEADERS, noheading=noheading)
        else:
            columns = _columns(namespace=namespace, pod=pod, size=size)
            header = [_HEADERS.get(column, column.upper()) for column in columns]
            if columns == [*_COLUMNS]:
                cells = _cells(engine, items, no_trunc=no_trunc)
            else:
                rows = [_row(engine, item, no_trunc=no_trunc, size=size) for item in items]
                cells = [[_text(row[column]) for column in columns] for row in rows]
            output.print_table(header, cells, noheading=noheading)

    from pod.cli import output
    from pod.containers import listing

    if watch:
        _repeat(show, watch)
    show()


def _repeat(show: Callable[[], None], seconds: int) -> None:
    """Show the list again and again on a cleared screen, until a signal ends the command."""
    import sys
    import time

    while True:
        sys.stdout.write("\033[2J\033[H")
        show()
        sys.stdout.flush()
        time.sleep(seconds)


def _columns(*, namespace: bool, pod: bool, size: bool) -> list[str]:
    if namespace:
        from pod.containers.listing import NAMESPACES

        return ["ID", "Names", "Pid", *(field for field, _ in NAMESPACES)]
    return [*_COLUMNS, *(["Pod", "PodName"] if pod else []), *(["Size"] if size else [])]


def _chosen(engine: Engine, *, all: bool, filters: list[str], last: int, sort: str) -> list[Listed]:
    from pod.containers import listing

    key = listing.sort_key(sort, engine)
    items = listing.listed(engine)
    if filters:
        from pod.containers.filters import filtered

        items = filtered(items, filters, engine)
    if last >= 0:
        items = items[max(len(items) - last, 0) :]
    elif not all and not any(text.startswith(("status=", "exited=")) for text in filters):
        items = [item for item in items if item.status.is_running]
    items.sort(key=key)
    return items


def _id(item: Listed, no_trunc: bool) -> str:
    return item.container.id if no_trunc else item.container.id[:12]


def _text(value: Any) -> str:
    return str(value() if callable(value) else value)


def _cells(engine: Engine, items: list[Listed], *, no_trunc: bool) -> list[list[str]]:
    """Return what the usual columns have; there may be a thousand rows."""
    from pod.cli.output import age
    from pod.containers.health.checks import status as health
    from pod.containers.listing import ports, status_text

    rows = []
    for item in items:
        container = item.container
        command = " ".join(item.command)
        if not no_trunc and len(command) > 17:
            command = command[:17] + "..."
        status = status_text(item.status, health(engine.config, container))
        image, created = container.config["image_name"], age(container.created)
        rows.append([_id(item, no_trunc), image, command, created, status, ports(item), container.name])
    return rows


def _row(engine: Engine, item: Listed, *, no_trunc: bool, size: bool) -> dict[str, Any]:
    """Return what templates may ask for, with podman's names; what costs time is made when asked for."""
    from pod.cli.output import age
    from pod.containers import listing, restart

    container, status, config = item.container, item.status, item.container.config
    return {
        **dict(zip(_COLUMNS, _cells(engine, [item], no_trunc=no_trunc)[0], strict=True)),
        "AutoRemove": container.auto_remove,
        "CIDFile": "",
        "Created": lambda: _time(container.created),
        "CreatedAt": lambda: _time(container.created),
        "ExitCode": status.exit_code,
        "Exited": status.state == "exited",
        "ExitedAt": int(status.finished) if status.finished else listing.NEVER,
        "ExposedPorts": lambda: _map({port: ",".join(kinds) for port, kinds in listing.exposed_ports(item).items()}),
        "ImageID": container.image if no_trunc else container.image[:12],
        "IsInfra": config["pod"]["infra"],
        "Label": lambda name: config["labels"].get(name, ""),
        "Labels": lambda: _map(config["labels"]),
        "Mounts": lambda: listing.mounts(item),
        "Namespaces": lambda: listing.namespaces(item),
        "Networks": lambda: ",".join(listing.networks(engine, item)),
        "Pid": status.pid,
        "Pod": config["pod"]["id"] if no_trunc else config["pod"]["id"][:12],
        "PodName": lambda: listing.pod_name(engine, item),
        "Restarts": lambda: restart.count(engine.config, container.id),
        "RunningFor": age(container.created),
        "Size": lambda: _size(engine, item) if size else "",
        "StartedAt": int(status.started) if status.started else listing.NEVER,
        "State": status.state,
        **{field: _namespace(item, field) for field, _ in listing.NAMESPACES},
    }


def _time(seconds: float) -> Any:
    from pod.template.values import Time

    return Time(seconds)


def _map(values: dict[str, str]) -> Any:
    from pod.template.values import Map

    return Map(values)


def _namespace(item: Listed, field: str) -> Callable[[], str]:
    from pod.containers import listing

    return lambda: listing.namespaces(item)[field]


def _size(engine: Engine, item: Listed) -> str:
    from pod.cli import output
    from pod.containers import listing

    sizes = listing.sizes(engine, item)
    written, whole = (output.size(sizes[name]).replace(" ", "") for name in ("rwSize", "rootFsSize"))
    return f"{written} (virtual {whole})"
