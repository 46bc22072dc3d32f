"""`pod create`."""

from __future__ import annotations

from pod.cli import flags as groups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument, Option

INTERSPERSED = False
SHARED = groups.CREATE


def main(
    image: Annotated[str, Argument(metavar="IMAGE", help="The image, or a directory with --rootfs")],
    command: Annotated[list[str] | None, Argument(metavar="[COMMAND [ARG...]]", help="What to run in it")] = None,
    init_ctr: Annotated[
        str, Option("--init-ctr", metavar="string", help='Make this a pod init container ("always"|"once")')
    ] = "",
    **flags: Any,
) -> None:
    """Create but do not start a container."""
    from pod.cli import creating
    from pod.engine import open_engine
    from pod.errors import PodError, UsageError

    request = creating.request(image, command or [], flags)
    if init_ctr not in ("", "always", "once"):
        raise PodError("init-ctr value must be 'always' or 'once'")
    request.init_type = init_ctr
    if request.preserve:
        raise UsageError("unknown flag: --preserve-fds", command="pod create")  # there is nobody to pass them on yet
    print(creating.create_container(open_engine(write=True), request).id)
