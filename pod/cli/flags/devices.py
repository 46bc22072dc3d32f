"""Flags on devices: of the host, by CDI name, GPUs, and rules of the cgroup."""

from __future__ import annotations

from pod.cli.flags.resources import words
from pod.containers.devices import nodes as devices

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Option

    from pod.containers.create import CreateOptions


def declare(
    options: CreateOptions,
    *,
    device: Annotated[
        list[str] | None, Option("--device", metavar="strings", help="Add a host device, or one by its CDI name")
    ] = None,
    device_cgroup_rule: Annotated[
        list[str] | None,
        Option("--device-cgroup-rule", metavar="strings", help="Add a rule to the cgroup allowed devices list"),
    ] = None,
    gpus: Annotated[
        list[str] | None, Option("--gpus", metavar="strings", help="GPU devices to add to the container ('all': all)")
    ] = None,
) -> None:
    """Note what is asked for. Raises PodError for what makes no sense."""
    options.devices = devices.asked(words(device), words(device_cgroup_rule), words(gpus))
