"""`pod container checkpoint`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option

    from pod.containers.checkpoints.checkpoint import Report


def main(
    containers: Annotated[list[str] | None, Argument(metavar="CONTAINER [CONTAINER...]", help="Names or IDs")] = None,
    all: Annotated[bool, Option("--all", "-a", help="Checkpoint all running containers")] = False,
    compress: Annotated[
        str,
        Option(
            "--compress",
            "-c",
            metavar="string",
            help="Select compression algorithm (gzip, none, zstd) for checkpoint archive",
        ),
    ] = "",
    create_image: Annotated[
        str, Option("--create-image", metavar="string", help="Create checkpoint image with specified name")
    ] = "",
    export: Annotated[
        str, Option("--export", "-e", metavar="string", help="Export the checkpoint image to a tar.gz")
    ] = "",
    file_locks: Annotated[bool, Option("--file-locks", help="Checkpoint a container with file locks")] = False,
    ignore_rootfs: Annotated[
        bool,
        Option(
            "--ignore-rootfs",
            help="Do not include root file-system changes when exporting. Can only be used with --export",
        ),
    ] = False,
    ignore_volumes: Annotated[
        bool, Option("--ignore-volumes", help="Do not export volumes associated with container")
    ] = False,
    keep: Annotated[bool, Option("--keep", "-k", help="Keep all temporary checkpoint files")] = False,
    latest: Annotated[bool, Option("--latest", "-l", help="Act on the latest container")] = False,
    leave_running: Annotated[
        bool, Option("--leave-running", "-R", help="Leave the container running after writing checkpoint to disk")
    ] = False,
    pre_checkpoint: Annotated[
        bool, Option("--pre-checkpoint", "-P", help="Dump container's memory information only, leave it running")
    ] = False,
    print_stats: Annotated[bool, Option("--print-stats", help="Display checkpoint statistics")] = False,
    tcp_established: Annotated[
        bool, Option("--tcp-established", help="Checkpoint a container with established TCP connections")
    ] = False,
    with_previous: Annotated[
        bool, Option("--with-previous", help="Checkpoint container with pre-checkpoint images")
    ] = False,
) -> int:
    """Checkpoint one or more containers."""
    from pod.cli import each
    from pod.containers.checkpoints import archive as checkpoint_archive
    from pod.containers.checkpoints import checkpoint as checkpoints
    from pod.containers.chooser import Choice
    from pod.engine import open_engine
    from pod.errors import PodError

    if compress and not export:
        raise PodError("--compress can only be used with --export")
    checkpoint_archive.check_compression(compress)
    choice = Choice(containers, all=all, latest=latest)
    choice.check()
    engine = open_engine(write=True)
    checkpoints.check_supported(engine.config, "checkpointing")
    for asked, flag in ((ignore_rootfs, "--ignore-rootfs"), (ignore_volumes, "--ignore-volumes")):
        if asked and not export:
            raise PodError(f"{flag} can only be used with --export")
    if with_previous and pre_checkpoint:
        raise PodError("--with-previous can not be used with --pre-checkpoint")
    options = checkpoints.Options(
        keep=keep,
        tcp_established=tcp_established,
        file_locks=file_locks,
        leave_running=leave_running,
        before=pre_checkpoint,
        after=with_previous,
    )
    chosen = choice.words(engine, of_all=lambda one: one.status.state == "running")
    if export and len(chosen) > 1:
        raise PodError("--export can only be used with one container")
    reports: list[tuple[str, Report]] = []

    def act(name: str) -> str:
        container = each.find(engine, name)
        then = None
        if export or create_image:
            then = checkpoint_archive.exporter(
                engine,
                container,
                path=export,
                image=create_image,
                compression=compress or "zstd",
                rootfs=not (ignore_rootfs or pre_checkpoint),
                include_volumes=not (ignore_volumes or pre_checkpoint),
            )
        reports.append((container.id, checkpoints.checkpoint(engine, container, options, then)))
        return "" if print_stats else name

    code = each.run(chosen, act)
    if print_stats:
        show(reports, "checkpoint")
    return code


def show(reports: list[tuple[str, Report]], what: str) -> None:
    """Print how long it took, as podman does."""
    from pod.cli.output import to_json

    found = [
        {"Id": id, f"runtime_{what}_duration": report.duration, "criu_statistics": report.statistics}
        for id, report in reports
    ]
    total = sum(report.duration for _, report in reports)
    print(to_json({f"podman_{what}_duration": total, "container_statistics": found}))
