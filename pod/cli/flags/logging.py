"""Flags on the container's log."""

from __future__ import annotations

import sys

from pod.containers.logs import options as log_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option

    from pod.containers.create import CreateOptions


def declare(
    options: CreateOptions,
    *,
    log_driver: Annotated[
        str,
        Option(
            "--log-driver",
            metavar="string",
            help="Logging driver for the container (k8s-file, json-file, journald, none, passthrough, passthrough-tty)",
        ),
    ] = "",
    log_opt: Annotated[
        list[str] | None,
        Option(
            "--log-opt",
            metavar="strings",
            help="Logging driver options: path=, max-size= (10mb), max-file= (3; logs are rotated), tag=, label=",
        ),
    ] = None,
) -> None:
    """Note what is asked for. Raises PodError for what makes no sense."""
    options.log_driver = log_options.driver(log_driver)
    options.log_options = log_options.parse(log_opt or [])
    for name in log_options.unknown(options.log_options):
        sys.stderr.write(f"warning: the log option {name} is not known here and has no effect\n")
