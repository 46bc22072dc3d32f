"""`pod mount`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option

    from pod.engine import Engine


def main(
    containers: Annotated[list[str] | None, Argument(metavar="CONTAINER [CONTAINER...]", help="Names or IDs")] = None,
    all: Annotated[bool, Option("--all", "-a", help="Mount all containers")] = False,
    format: Annotated[
        str, Option("--format", metavar="string", help="Print the mounted containers in specified format (json)")
    ] = "",
    latest: Annotated[bool, Option("--latest", "-l", help="Act on the latest container pod is aware of")] = False,
    no_trunc: Annotated[bool, Option("--no-trunc", "--notruncate", help="Do not truncate output")] = False,
) -> int:
    """Mount a working container's root filesystem."""
    from pod.cli import each
    from pod.containers.chooser import Choice
    from pod.containers.tree import host_mounts
    from pod.errors import PodError

    if format not in ("", "json"):
        raise PodError(f'unsupported format "{format}"', hint="the only one is json")
    engine = opened("mount")
    if not (containers or all or latest):
        show(engine, format, no_trunc=no_trunc)
        return 0
    names = Choice(containers, all=all, latest=latest).words(engine)
    return each.run(names, lambda name: host_mounts.mount(engine, each.find(engine, name)))


def opened(command: str) -> Engine:
    """Open the engine where a mount lasts longer than the command. Raises PodError where it would not."""
    from pod import config, rootless, settings
    from pod.engine import open_engine
    from pod.errors import PodError

    if config.load(settings.current).rootless and not rootless.in_user_namespace():
        raise PodError(
            f'cannot run command "pod {command}" in rootless mode, must execute `pod unshare` first',
            hint=f"pod unshare sh -c 'pod {command} …; …': the mount is there inside, and gone at its end",
        )
    return open_engine(write=True)


def show(engine: Engine, format: str, *, no_trunc: bool) -> None:
    """List what is mounted."""
    from pod import state
    from pod.cli import output
    from pod.containers.tree import host_mounts

    config = engine.config
    mounted = [one for one in state.containers(engine.connection) if host_mounts.is_mounted(config, one.id)]
    if format:
        told = [{"id": one.id, "Names": [one.name], "mountpoint": host_mounts.path(config, one.id)} for one in mounted]
        output.write(output.to_json(told, indent=" ") + "\n")
        return
    rows = [[one.id if no_trunc else one.id[:12], host_mounts.path(config, one.id)] for one in mounted]
    output.write(output.align(rows))
