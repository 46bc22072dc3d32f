"""`pod run`."""

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
    detach: Annotated[
        bool, Option("--detach", "-d", help="Run container in background and print container ID")
    ] = False,
    detach_keys: Annotated[
        str, Option("--detach-keys", metavar="string", help="The key sequence for detaching a container")
    ] = "ctrl-p,ctrl-q",
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
    sig_proxy: Annotated[bool, Option("--sig-proxy", help="Proxy received signals to the process")] = True,
    tls_verify: Annotated[
        bool | None, Option("--tls-verify", help="Require HTTPS and verify certificates when contacting registries")
    ] = None,
    **flags: Any,
) -> int:
    """Run a command in a new container."""
    from pod.cli import creating, terminal
    from pod.engine import open_engine
    from pod.launch import launch, start

    options = container_flags.create_options(**flags)
    options.command, options.name, options.detach_keys = command or [], name, detach_keys
    options.auto_remove = rm
    options.owned_by_command = rm
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
    terminal.check(options.tty and not detach)
    engine = open_engine(write=True)
    container = creating.create_container(engine, options, request)
    with creating.removed_on_failure(engine, container, cidfile):
        link = launch(engine, container, terminal.size(), meanwhile=None if detach else _prepare)
        if detach:
            creating.release(engine, container)
        start(engine, link)
    if detach:
        link.detach()
        print(container.id)
        return 0
    from pod.cli import attaching

    return attaching.run_attached(engine, container, link, detach_keys=detach_keys, sig_proxy=sig_proxy)


def _prepare() -> None:
    """Import what attaching and removing need, while the monitor makes the container."""
    import pod.cli.attaching  # noqa: F401
