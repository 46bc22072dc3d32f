"""`pod container restore`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option

    from pod.containers.checkpoints.checkpoint import Report
    from pod.containers.chooser import Choice
    from pod.containers.listing import Listed
    from pod.engine import Engine


def main(
    containers: Annotated[
        list[str] | None, Argument(metavar="CONTAINER|IMAGE [CONTAINER|IMAGE...]", help="Names or IDs")
    ] = None,
    all: Annotated[bool, Option("--all", "-a", help="Restore all checkpointed containers")] = False,
    file_locks: Annotated[bool, Option("--file-locks", help="Restore a container with file locks")] = False,
    ignore_rootfs: Annotated[
        bool, Option("--ignore-rootfs", help="Do not apply root file-system changes when importing")
    ] = False,
    ignore_static_ip: Annotated[
        bool, Option("--ignore-static-ip", help="Ignore IP address set via --static-ip")
    ] = False,
    ignore_static_mac: Annotated[
        bool, Option("--ignore-static-mac", help="Ignore MAC address set via --mac-address")
    ] = False,
    ignore_volumes: Annotated[
        bool, Option("--ignore-volumes", help="Do not restore volumes associated with container")
    ] = False,
    import_: Annotated[
        str, Option("--import", "-i", metavar="string", help="Restore from exported checkpoint archive (tar.gz)")
    ] = "",
    import_previous: Annotated[
        str,
        Option("--import-previous", metavar="string", help="Restore from exported pre-checkpoint archive (tar.gz)"),
    ] = "",
    keep: Annotated[bool, Option("--keep", "-k", help="Keep all temporary checkpoint files")] = False,
    latest: Annotated[bool, Option("--latest", "-l", help="Act on the latest container")] = False,
    name: Annotated[
        str,
        Option(
            "--name",
            "-n",
            metavar="string",
            help="Specify new name for container restored from exported checkpoint (only works with image or --import)",
        ),
    ] = "",
    print_stats: Annotated[bool, Option("--print-stats", help="Display restore statistics")] = False,
    tcp_established: Annotated[
        bool, Option("--tcp-established", help="Restore a container with established TCP connections")
    ] = False,
) -> int:
    """Restore one or more containers from a checkpoint."""
    from pod.cli import each
    from pod.cli.container_checkpoint import show
    from pod.containers.checkpoints import archive as checkpoint_archive
    from pod.containers.checkpoints import checkpoint as checkpoints
    from pod.containers.checkpoints import importing as checkpoint_import
    from pod.containers.chooser import Choice
    from pod.engine import open_engine
    from pod.errors import PodError

    del ignore_static_ip, ignore_static_mac  # no container has such an address
    choice = Choice(containers, all=all, latest=latest)
    _check_choice(choice, import_)
    engine = open_engine(write=True)
    checkpoints.check_supported(engine.config, "restoring")
    images = {one for one in choice.names if checkpoint_archive.is_image(engine, one)}
    if not import_ and not images:
        of_archives = {"--import-previous": import_previous, "--ignore-rootfs": ignore_rootfs}
        of_archives |= {"--ignore-volumes": ignore_volumes, "--name": name}
        for flag in (flag for flag, asked in of_archives.items() if asked):
            raise PodError(f"{flag} can only be used with image or --import")
    if name and tcp_established:
        raise PodError("--tcp-established cannot be used with --name")
    if name and len(choice.names) > 1:
        raise PodError("--name can only be used with one checkpoint image")
    options = checkpoints.Options(keep=keep, tcp_established=tcp_established, file_locks=file_locks)
    reports: list[tuple[str, Report]] = []

    def act(one: str) -> str:
        if import_ or one in images:
            container, report = checkpoint_import.restore(
                engine,
                archive=import_,
                image="" if import_ else one,
                previous=import_previous,
                name=name,
                options=options,
                rootfs=not ignore_rootfs,
                include_volumes=not ignore_volumes,
            )
            one = container.id
        else:
            container = each.find(engine, one)
            report = checkpoints.restore(engine, container, options)
        reports.append((container.id, report))
        return "" if print_stats else one

    chosen = [import_] if import_ else choice.words(engine, of_all=lambda one: _was_saved(engine, one))
    code = each.run(chosen, act)
    if print_stats:
        show(reports, "restore")
    return code


def _check_choice(choice: Choice, archive: str) -> None:
    """Raise PodError unless it is either an archive or containers and images that are to go on."""
    from pod.errors import PodError

    if not archive:
        choice.check()
    elif choice.all or choice.latest:
        raise PodError("cannot use --import with --all or --latest")
    elif choice.names:
        raise PodError("cannot use --import with positional arguments")


def _was_saved(engine: Engine, one: Listed) -> bool:
    from pod.containers.checkpoints import checkpointed

    return not one.status.is_running and "checkpointed" in checkpointed.record_of(engine.config, one.container.id)
