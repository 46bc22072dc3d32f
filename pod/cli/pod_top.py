"""`pod pod top`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option

    from pod.engine import Engine
    from pod.pods.rows import Pod

INTERSPERSED = False


def main(
    words: Annotated[list[str] | None, Argument(metavar="POD [FORMAT-DESCRIPTORS]", help="A pod, and columns")] = None,
    latest: Annotated[bool, Option("--latest", "-l", help="Act on the latest pod")] = False,
) -> None:
    """Display the running processes of the containers in a pod."""
    import os

    from pod.cli import output
    from pod.containers.processes import top
    from pod.engine import open_engine
    from pod.errors import PodError
    from pod.pods.processes import rows

    said = list(words or [])
    if not said and not latest:
        raise PodError("you must provide the name or id of a running pod", hint="`pod pod ps` lists the pods")
    # What is said of other users' processes takes being in the user's namespace.
    engine = open_engine(write=os.geteuid() != 0)
    pod = _chosen(engine, "" if latest else said.pop(0))
    wanted = [name for word in said for name in word.split(",") if name]
    for name in wanted:
        if not top.is_descriptor(name):
            raise PodError(f"'{name}': unknown descriptor", hint=f"known are {', '.join(sorted(top.COLUMNS))}")
    found = rows(engine, pod, wanted or list(top.DEFAULT))
    if found:
        output.print_table(found[0], found[1:])


def _chosen(engine: Engine, name: str) -> Pod:
    """Return the pod of this name, without one the newest."""
    from pod.errors import PodError
    from pod.pods import chooser, rows

    try:
        return rows.find(engine.connection, name) if name else chooser.newest(engine)
    except PodError as error:
        raise PodError(f"unable to look up requested container: {error}", hint=error.hint) from None
