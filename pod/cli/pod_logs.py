"""`pod pod logs`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option

    from pod.engine import Engine
    from pod.pods.rows import Pod
    from pod.state import Container


def main(
    pods: Annotated[list[str] | None, Argument(metavar="POD", help="Name or ID")] = None,
    color: Annotated[
        bool, Option("--color", help="Output the containers within a pod with different colors in the log")
    ] = False,
    container: Annotated[
        str, Option("--container", "-c", metavar="string", help="Show the log of this container of the pod only")
    ] = "",
    follow: Annotated[bool, Option("--follow", "-f", help="Follow log output")] = False,
    latest: Annotated[bool, Option("--latest", "-l", help="Act on the latest pod")] = False,
    names: Annotated[
        bool, Option("--names", "-n", help="Output container names instead of container IDs in the log")
    ] = False,
    since: Annotated[
        str, Option("--since", metavar="string", help="Show logs since TIMESTAMP (RFC 3339, seconds, or 10m ago)")
    ] = "",
    tail: Annotated[
        int, Option("--tail", metavar="int", help="Output the specified number of LINES at the end of the logs")
    ] = -1,
    timestamps: Annotated[bool, Option("--timestamps", "-t", help="Output the timestamps in the log")] = False,
    until: Annotated[
        str, Option("--until", metavar="string", help="Show logs until TIMESTAMP (RFC 3339, seconds, or 10m from now)")
    ] = "",
) -> None:
    """Fetch the logs of the containers in a pod.

    They are shown as one, by the time of their lines, each with the ID (or name) of its container.
    """
    from pod.cli import logs
    from pod.engine import open_engine

    wanted = logs.wanted_lines(tail, since, until)
    engine = open_engine(write=False)
    pod = _chosen(engine, pods or [], latest=latest)
    found = _members(engine, pod, container)
    heads = [""] if container else [logs.head(one, names=names) for one in found]
    logs.show(engine, found, wanted, logs.Printer(heads, timestamps=timestamps, color=color, at_once=follow))


def _chosen(engine: Engine, words: list[str], *, latest: bool) -> Pod:
    from pod.errors import PodError
    from pod.pods import chooser, rows

    if latest and words:
        raise PodError("--latest and pods cannot be used together", hint="leave out the name, or --latest")
    if latest:
        return chooser.newest(engine)
    if not words:
        raise PodError("specify at least one pod name or ID to log", hint="`pod pod ps` lists the pods")
    if len(words) > 1:
        raise PodError("requires exactly 1 arg", hint="`pod logs` takes several containers, `pod pod logs` one pod")
    return rows.find(engine.connection, words[0])


def _members(engine: Engine, pod: Pod, word: str) -> list[Container]:
    """Return whose logs are shown: all but the infra container's, or that of the one which is named."""
    from pod import state
    from pod.errors import ContainerNotFoundError, PodError
    from pod.pods import rows

    found = rows.members(engine.connection, pod.id)
    if not word:
        return [one for one in found if one.id != pod.infra]
    try:
        named = state.find_container(engine.connection, word).id
    except ContainerNotFoundError:
        named = ""
    if named not in [one.id for one in found]:
        told = ", ".join(one.name for one in found if one.id != pod.infra)
        raise PodError(
            f"container {word} is not in pod {pod.name}: no such container", hint=told and f"in it are: {told}"
        )
    return [one for one in found if one.id == named]
