"""`pod quadlet install`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option


def main(
    paths: Annotated[
        list[str],
        Argument(metavar="QUADLET-PATH-OR-URL [FILES-PATH-OR-URL]...", help="A file, a directory or an address"),
    ],
    reload_systemd: Annotated[bool, Option("--reload-systemd", help="Reload systemd after installing Quadlets")] = True,
    replace: Annotated[
        bool, Option("--replace", "-r", help="Replace the installation even if the quadlet already exists")
    ] = False,
) -> None:
    """Install a quadlet file or quadlet application."""
    import sys

    from pod import config as configuration
    from pod.quadlet import installing, places
    from pod.quadlet.unit_states import Systemd
    from pod.settings import current

    config = configuration.load(current)
    with Systemd(config) as systemd:
        if reload_systemd:
            systemd.check()
        installed = installing.install(places.of(config), paths, replace=replace)
        for path in installed.paths:
            print(path)
        sys.stdout.flush()
        for warning in installed.warnings:
            print(warning, file=sys.stderr)
        if reload_systemd:
            systemd.reload()
