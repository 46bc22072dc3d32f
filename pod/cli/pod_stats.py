"""`pod pod stats`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option

    from pod.containers.resources.usage import Usage
    from pod.engine import Engine
    from pod.pods.rows import Pod

    Measured = list[tuple[Pod, Usage]]

_COLUMNS = {
    "Pod": "POD",
    "CID": "CID",
    "Name": "NAME",
    "CPU": "CPU %",
    "MemUsage": "MEM USAGE/ LIMIT",
    "Mem": "MEM %",
    "NetIO": "NET IO",
    "BlockIO": "BLOCK IO",
    "PIDS": "PIDS",
}
_HEADERS = {**_COLUMNS, "MemUsageBytes": _COLUMNS["MemUsage"]}
_JSON = ("CPU", "MemUsage", "MemUsageBytes", "Mem", "NetIO", "BlockIO", "PIDS", "Pod", "CID", "Name")
_INTERVAL = 1
_SHORT = 12
_NONE = "--"


def main(
    pods: Annotated[list[str] | None, Argument(metavar="[POD...]", help="Names or IDs")] = None,
    all: Annotated[bool, Option("--all", "-a", help="Show all pods. Only running pods are shown by default")] = False,
    format: Annotated[
        str,
        Option("--format", metavar="string", help="Pretty-print container statistics to JSON or using a Go template"),
    ] = "",
    latest: Annotated[bool, Option("--latest", "-l", help="Act on the latest pod")] = False,
    no_reset: Annotated[bool, Option("--no-reset", help="Disable resetting the screen when streaming")] = False,
    no_stream: Annotated[
        bool, Option("--no-stream", help="Disable streaming stats and only pull the first result")
    ] = False,
) -> None:
    """Display a live stream of resource usage statistics for the containers in one or more pods."""
    import os
    import sys
    import time

    from pod.cli.stats import CLEAR
    from pod.engine import open_engine
    from pod.errors import PodError

    names = pods or []
    if len([said for said in (all, latest, bool(names)) if said]) > 1:
        raise PodError("--all, --latest and arguments cannot be used together")
    # Whose container has no cgroup looks at the processes, which takes being in the user's namespace.
    engine = open_engine(write=os.geteuid() != 0)
    before: dict[str, Usage] = {}
    while True:
        measured = _measure(engine, _chosen(engine, names, all=all, latest=latest))
        if not no_stream and not no_reset and sys.stdout.isatty():
            sys.stdout.write(CLEAR)
        _print(measured, before, format)
        sys.stdout.flush()
        if no_stream:
            return
        before = {usage.id: usage for _, usage in measured}
        time.sleep(_INTERVAL)


def _chosen(engine: Engine, names: list[str], *, all: bool, latest: bool) -> list[Pod]:
    from pod.errors import PodError
    from pod.pods import chooser, rows, status

    try:
        if latest:
            return [chooser.newest(engine)]
        if names:
            return [rows.find(engine.connection, name) for name in names]
    except PodError as error:
        raise PodError(f"unable to get list of pods: {error}", hint=error.hint) from None
    found = rows.everything(engine.connection)
    return found if all else [pod for pod in found if status.observe(engine, pod).word == "Running"]


def _measure(engine: Engine, pods: list[Pod]) -> Measured:
    from pod.containers.resources.usage import measure
    from pod.pods import rows

    return [(pod, measure(engine, one)) for pod in pods for one in rows.members(engine.connection, pod.id)]


def _print(measured: Measured, before: dict[str, Usage], format: str) -> None:
    from pod.cli import output

    rows = [_row(pod, usage, before.get(usage.id)) for pod, usage in measured]
    if format:
        objects = [{name: row[name] for name in _JSON} for row in rows]
        output.print_rows(rows, format, entity="podstats", headers=_HEADERS, objects=objects)
        return
    if not rows:
        rows = [dict.fromkeys(_COLUMNS, _NONE)]
    output.print_table(list(_COLUMNS.values()), [[row[name] for name in _COLUMNS] for row in rows])


def _row(pod: Pod, usage: Usage, before: Usage | None) -> dict[str, str]:
    """Return the fields of podman's templates; what is nothing is shown as dashes."""
    from pod.cli.stats import row

    of = row(usage, before, no_trunc=False)
    return {
        "Pod": pod.id[:_SHORT],
        "CID": of["ID"],
        "Name": of["Name"],
        "CPU": of["CPUPerc"] if of["CPU"] else _NONE,
        "MemUsage": of["MemUsage"] if usage.memory else f"{_NONE} / {_NONE}",
        "MemUsageBytes": of["MemUsageBytes"] if usage.memory else f"{_NONE} / {_NONE}",
        "Mem": of["MemPerc"] if usage.memory else _NONE,
        "NetIO": of["NetIO"] if any(usage.network) else f"{_NONE} / {_NONE}",
        "BlockIO": of["BlockIO"] if any(usage.blocks) else f"{_NONE} / {_NONE}",
        "PIDS": of["PIDS"] if usage.pids else _NONE,
    }
