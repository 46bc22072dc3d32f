"""`pod container restore`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option

    from pod.containers.checkpoints import Report


def main(
    containers: Annotated[list[str] | None, Argument(metavar="CONTAINER [CONTAINER...]", help="Names or IDs")] = None,
    all: Annotated[bool, Option("--all", "-a", help="Restore all checkpointed containers")] = False,
    file_locks: Annotated[bool, Option("--file-locks", help="Restore a container with file locks")] = False,
    ignore_static_ip: Annotated[
        bool, Option("--ignore-static-ip", help="Ignore IP address set via --static-ip")
    ] = False,
    ignore_static_mac: Annotated[
        bool, Option("--ignore-static-mac", help="Ignore MAC address set via --mac-address")
    ] = False,
    keep: Annotated[bool, Option("--keep", "-k", help="Keep all temporary checkpoint files")] = False,
    latest: Annotated[bool, Option("--latest", "-l", help="Act on the latest container")] = False,
    print_stats: Annotated[bool, Option("--print-stats", help="Display restore statistics")] = False,
    tcp_established: Annotated[
        bool, Option("--tcp-established", help="Restore a container with established TCP connections")
    ] = False,
) -> int:
    """Restore one or more containers from a checkpoint."""
    from pod.cli import each
    from pod.cli.container_checkpoint import show
    from pod.containers import checkpoints, chooser
    from pod.engine import open_engine

    del ignore_static_ip, ignore_static_mac  # no container has such an address
    names = containers or []
    chooser.check(names, all=all, latest=latest)
    engine = open_engine(write=True)
    checkpoints.check_supported(engine.config, "restoring")
    options = checkpoints.Options(keep=keep, tcp_established=tcp_established, file_locks=file_locks)
    chosen = chooser.chosen(
        engine,
        names,
        all=all,
        latest=latest,
        of_all=lambda one: (
            not one.status.is_running and "checkpointed" in checkpoints.record_of(engine.config, one.container.id)
        ),
    )
    reports: list[tuple[str, Report]] = []

    def act(one: str) -> str:
        container = each.find(engine, one)
        report = checkpoints.restore(engine, container, options)
        reports.append((container.id, report))
        return "" if print_stats else one

    code = each.run(chosen, act)
    if print_stats:
        show(reports, "restore")
    return code
