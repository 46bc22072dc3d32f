"""`pod stats`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument, Option

    from pod.containers.resources.usage import Usage
    from pod.engine import Engine
    from pod.state import Container

_COLUMNS = {
    "ID": "ID",
    "Name": "NAME",
    "CPUPerc": "CPU %",
    "MemUsage": "MEM USAGE / LIMIT",
    "MemPerc": "MEM %",
    "NetIO": "NET IO",
    "BlockIO": "BLOCK IO",
    "PIDS": "PIDS",
    "UpTime": "CPU TIME",
    "AVGCPU": "AVG CPU %",
}
_HEADERS = {**_COLUMNS, "MemUsageBytes": "MEM USAGE / LIMIT", "PIDs": "PIDS"}
CLEAR = "\033[2J\033[1;1H"


def main(
    containers: Annotated[list[str] | None, Argument(metavar="[CONTAINER...]", help="Names or IDs")] = None,
    all: Annotated[
        bool, Option("--all", "-a", help="Show all containers. Only running containers are shown by default")
    ] = False,
    format: Annotated[
        str,
        Option("--format", metavar="string", help="Pretty-print container statistics to JSON or using a Go template"),
    ] = "",
    interval: Annotated[
        int, Option("--interval", "-i", metavar="int", help="Time in seconds between stats reports")
    ] = 5,
    latest: Annotated[bool, Option("--latest", "-l", help="Act on the latest container")] = False,
    no_reset: Annotated[bool, Option("--no-reset", help="Disable resetting the screen between intervals")] = False,
    no_stream: Annotated[
        bool, Option("--no-stream", help="Disable streaming stats and only pull the first result")
    ] = False,
    no_trunc: Annotated[bool, Option("--no-trunc", help="Do not truncate output")] = False,
) -> None:
    """Display a live stream of container resource usage statistics."""
    import sys
    import time

    from pod.containers.resources import usage
    from pod.engine import open_for_inspection
    from pod.errors import PodError

    names = containers or []
    if len([said for said in (all, latest, bool(names)) if said]) > 1:
        raise PodError("--all, --latest and containers cannot be used together")
    if interval < 1:
        raise PodError("invalid interval, must be a positive number greater zero")
    # Whose container has no cgroup looks at the processes, which takes being in the user's namespace.
    engine = open_for_inspection()
    before: dict[str, Usage] = {}
    while True:
        measured = [usage.measure(engine, one) for one in _chosen(engine, names, all=all, latest=latest)]
        if not no_stream and not no_reset and sys.stdout.isatty():
            sys.stdout.write(CLEAR)
        _print(measured, before, format, no_trunc=no_trunc)
        sys.stdout.flush()
        if no_stream:
            return
        before = {one.id: one for one in measured}
        time.sleep(interval)


def _chosen(engine: Engine, names: list[str], *, all: bool, latest: bool) -> list[Container]:
    from pod.cli import each
    from pod.containers import chooser
    from pod.errors import PodError

    if not names and not latest:
        return each.everything(engine) if all else each.running(engine)
    if latest:
        return [chooser.newest(engine)]
    found = []
    for name in names:
        try:
            found.append(each.find(engine, name))
        except PodError as error:
            raise PodError(f"unable to get list of containers: unable to look up container {name}: {error}") from None
    return found


def _print(measured: list[Usage], before: dict[str, Usage], format: str, *, no_trunc: bool) -> None:
    from pod.cli import output

    rows = [row(one, before.get(one.id), no_trunc=no_trunc) for one in measured]
    if format:
        objects = [_object(row) for row in rows]
        output.print_rows(rows, format, entity="stats", headers=_HEADERS, objects=objects)
        return
    output.print_table(list(_COLUMNS.values()), [[str(row[name]) for name in _COLUMNS] for row in rows])


def _object(row: dict[str, Any]) -> dict[str, str]:
    return {
        "id": row["ID"],
        "name": row["Name"],
        "cpu_time": row["UpTime"],
        "cpu_percent": row["CPUPerc"],
        "avg_cpu": row["AVGCPU"],
        "mem_usage": row["MemUsage"],
        "mem_percent": row["MemPerc"],
        "net_io": row["NetIO"],
        "block_io": row["BlockIO"],
        "pids": str(row["PIDS"]),
    }


def row(one: Usage, before: Usage | None, *, no_trunc: bool) -> dict[str, Any]:
    """Return the fields of podman's templates."""
    from pod.cli.output import human_size
    from pod.times import go_duration

    cpu = one.cpu_since(before)
    binary = " / ".join(_bytes_size(amount) for amount in (one.memory, one.memory_limit))
    return {
        "ID": one.id if no_trunc else one.id[:12],
        "ContainerID": one.id,
        "Name": one.name,
        "CPU": cpu,
        "CPUPerc": f"{cpu:.2f}%",
        "AvgCPU": one.average_cpu,
        "AVGCPU": f"{one.average_cpu:.2f}%",
        "CPUNano": one.cpu,
        "CPUSystemNano": one.cpu_system,
        "SystemNano": one.moment,
        "PerCPU": one.per_cpu,
        "MemUsage": f"{human_size(one.memory)} / {human_size(one.memory_limit)}",
        "MemUsageBytes": binary,
        "MemLimit": one.memory_limit,
        "MemPerc": f"{one.memory_percent:.2f}%",
        "NetInput": one.network[0],
        "NetOutput": one.network[1],
        "NetIO": f"{human_size(one.network[0])} / {human_size(one.network[1])}",
        "BlockInput": one.blocks[0],
        "BlockOutput": one.blocks[1],
        "BlockIO": f"{human_size(one.blocks[0])} / {human_size(one.blocks[1])}",
        "PIDs": one.pids,
        "PIDS": str(one.pids),
        # As podman, which calls it so: the time on processors.
        "UpTime": go_duration(one.cpu),
        "Up": go_duration(one.cpu),
        "Duration": one.cpu,
    }


def _bytes_size(count: float) -> str:
    """Return a size as docker's go-units tells it in powers of 1024: `1.988MiB`."""
    units = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
    unit = 0
    while count >= 1024 and unit < len(units) - 1:
        count, unit = count / 1024, unit + 1
    return f"{count:.4g}{units[unit]}"
