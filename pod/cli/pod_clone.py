"""`pod pod clone`."""

from __future__ import annotations

from pod.cli import flags as groups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument, Option

SHARED = ("pod.cli.flags.identity:hostname", *groups.POD)


def main(
    pod: Annotated[str, Argument(metavar="POD", help="Name or ID of the original")],
    new_name: Annotated[str, Argument(metavar="[NAME]", help="The name of the copy")] = "",
    destroy: Annotated[bool, Option("--destroy", help="Remove the original pod once the copy is there")] = False,
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
    request.take_infra("", wanted=True)
    engine = open_engine(write=True)
    original = rows.find(engine.connection, pod)
    made = clone(engine, original, request.options)
    if destroy:
        remove(engine, original, force=True, warn=each.warn)
    return act([made], lambda copy: start_pod(engine, copy) if start else None)
