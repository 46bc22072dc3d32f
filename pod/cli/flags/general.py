"""Flags on the container as a whole: name, image, labels, and how the command goes about it."""

from __future__ import annotations

from pod import values
from pod.errors import PodError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option

    from pod.cli.flags.request import Request


def declare(
    request: Request,
    *,
    annotation: Annotated[
        list[str] | None, Option("--annotation", metavar="strings", help="Add annotations to container (key=value)")
    ] = None,
    cidfile: Annotated[str, Option("--cidfile", metavar="string", help="Write the container ID to the file")] = "",
    interactive: Annotated[
        bool, Option("--interactive", "-i", help="Make STDIN available to the contained process")
    ] = False,
    label: Annotated[
        list[str] | None, Option("--label", "-l", metavar="stringArray", help="Set metadata on container (key=value)")
    ] = None,
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
    tty: Annotated[bool, Option("--tty", "-t", help="Allocate a pseudo-TTY for container")] = False,
) -> None:
    """Note what is asked for. Raises PodError for what makes no sense."""
    request.name, request.auto_remove = name, rm
    request.annotations = _annotations(annotation or [])
    request.labels = dict(values.parse_pair(item, "label") for item in label or [])
    request.stdin, request.tty = interactive, tty
    request.cidfile, request.platform, request.pull, request.quiet = cidfile, platform, pull, quiet
    request.replace, request.is_rootfs, request.tls_verify = replace, rootfs, tls_verify


def _annotations(items: list[str]) -> dict[str, str]:
    for item in items:
        if "=" not in item:
            raise PodError(f'invalid annotation "{item}": annotations must be formatted KEY=VALUE')
    return dict(values.parse_pair(item, "annotation") for item in items)
