"""Flags on the container as a whole: name, image, labels, and how the command goes about it."""

from __future__ import annotations

from pod import values
from pod.errors import PodError
from runtime import paths

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
    conmon_pidfile: Annotated[
        str,
        Option("--conmon-pidfile", metavar="string", help="Path to the file that will receive the PID of the monitor"),
    ] = "",
    interactive: Annotated[
        bool, Option("--interactive", "-i", help="Make STDIN available to the contained process")
    ] = False,
    label: Annotated[
        list[str] | None, Option("--label", "-l", metavar="stringArray", help="Set metadata on container (key=value)")
    ] = None,
    label_file: Annotated[
        list[str] | None, Option("--label-file", metavar="stringArray", help="Read in a line delimited file of labels")
    ] = None,
    name: Annotated[str, Option("--name", metavar="string", help="Assign a name to the container")] = "",
    pidfile: Annotated[
        str, Option("--pidfile", metavar="string", help="Write the container process ID to the file")
    ] = "",
    pull: Annotated[
        str, Option("--pull", metavar="string", help='Pull image policy ("always"|"missing"|"never"|"newer")')
    ] = "missing",
    replace: Annotated[bool, Option("--replace", help="If a container with the same name exists, replace it")] = False,
    rm: Annotated[bool, Option("--rm", help="Remove container after exit")] = False,
    rootfs: Annotated[
        bool, Option("--rootfs", help="The first argument is not an image but the rootfs to the exploded container")
    ] = False,
    tty: Annotated[bool, Option("--tty", "-t", help="Allocate a pseudo-TTY for container")] = False,
) -> None:
    """Note what is asked for. Raises PodError for what makes no sense."""
    request.name, request.auto_remove = name, rm
    request.annotations = _annotations(annotation or [])
    request.labels = _labels([*_label_lines(label_file or []), *(label or [])])
    request.stdin, request.tty = interactive, tty
    request.cidfile, request.pull = cidfile, pull
    request.replace, request.is_rootfs = replace, rootfs
    for key, path in (("cidfile", cidfile), ("pidfile", pidfile), ("conmon_pidfile", conmon_pidfile)):
        if path:
            request.identity[key] = paths.absolute(path)


def _labels(items: list[str]) -> dict[str, str]:
    found = {}
    for item in items:
        key, _, value = item.partition("=")
        if not key:
            raise PodError(f'unable to process labels: invalid label format: "{item}"')
        found[key] = value
    return found


def _label_lines(paths: list[str]) -> list[str]:
    """Return the lines of files of labels, without comments."""
    lines: list[str] = []
    for path in paths:
        try:
            with open(path, encoding="utf-8") as file:
                lines += file.read().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = (getattr(error, "strerror", None) or "not text").lower()
            raise PodError(f"unable to process labels: open {path}: {reason}") from error
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _annotations(items: list[str]) -> dict[str, str]:
    for item in items:
        if "=" not in item:
            raise PodError("annotations must be formatted KEY=VALUE", hint=f"this is none: {item}")
    return dict(values.parse_pair(item, "annotation") for item in items)
