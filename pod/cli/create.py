"""`pod create`."""

from __future__ import annotations

from pod.cli import container_flags

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, Any

    from typer import Argument, Option

INTERSPERSED = False
SHARED = container_flags.create_options


def main(
    image: Annotated[str, Argument(metavar="IMAGE", help="The image, or a directory with --rootfs")],
    command: Annotated[list[str] | None, Argument(metavar="[COMMAND [ARG...]]", help="What to run in it")] = None,
    cidfile: Annotated[str, Option("--cidfile", metavar="string", help="Write the container ID to the file")] = "",
    name: Annotated[str, Option("--name", metavar="string", help="Assign a name to the container")] = "",
    platform: Annotated[str, Option("--platform", metavar="string", help="Platform of the image (linux/arm64)")] = "",
    pull: Annotated[
        str, Option("--pull", metavar="string", help='Pull image policy ("always"|"missing"|"never"|"newer")')
    ] = "missing",
    quiet: Annotated[bool, Option("--quiet", "-q", help="Suppress output information when pulling images")] = False,
    replace: Annotated[bool, Option("--replace", help="If a container with the same name exists, replace it")] = False,
    rm: Annotated[bool, Option("--rm", help="Remove container after exit")] = False,
    rootfs: Annotated[
        bool, Option("--rootfs", help="The first argument is not an image but the rootfs to the exploded container")
    ] = False,
    tls_verify: Annotated[
        bool | None, Option("--tls-verify", help="Require HTTPS and verify certificates when contacting registries")
    ] = None,
    **flags: Any,
) -> None:
    """Create but do not start a container."""
    from pod.cli import creating
    from pod.engine import open_engine

    options = container_flags.create_options(**flags)
    options.command, options.name, options.auto_remove = command or [], name, rm
    request = creating.Request(
        image,
        rootfs=rootfs,
        pull=pull,
        platform=platform,
        quiet=quiet,
        replace=replace,
        cidfile=cidfile,
        tls_verify=tls_verify,
    )
    print(creating.create_container(open_engine(write=True), options, request).id)
