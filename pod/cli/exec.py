"""`pod exec`."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option

INTERSPERSED = False


def main(
    container: Annotated[str, Argument(metavar="CONTAINER", help="Name or ID of a running container")] = "",
    command: Annotated[list[str] | None, Argument(metavar="COMMAND [ARG...]", help="What to run in it")] = None,
    detach: Annotated[bool, Option("--detach", "-d", help="Run the exec session in detached mode")] = False,
    detach_keys: Annotated[
        str, Option("--detach-keys", metavar="string", help="The key sequence for detaching a container")
    ] = "ctrl-p,ctrl-q",
    env: Annotated[
        list[str] | None, Option("--env", "-e", metavar="stringArray", help="Set environment variables")
    ] = None,
    env_file: Annotated[
        list[str] | None, Option("--env-file", metavar="strings", help="Read in a file of environment variables")
    ] = None,
    interactive: Annotated[bool, Option("--interactive", "-i", help="Keep STDIN open even if not attached")] = False,
    preserve_fd: Annotated[
        list[str] | None,
        Option("--preserve-fd", metavar="ints", help="Pass the listed file descriptors into the container"),
    ] = None,
    preserve_fds: Annotated[
        int, Option("--preserve-fds", metavar="uint", min=0, help="Pass a number of additional file descriptors on")
    ] = 0,
    privileged: Annotated[bool, Option("--privileged", help="Give the process extended Linux capabilities")] = False,
    tty: Annotated[bool, Option("--tty", "-t", help="Allocate a pseudo-TTY")] = False,
    user: Annotated[
        str, Option("--user", "-u", metavar="string", help="Username or UID (format: <name|uid>[:<group|gid>])")
    ] = "",
    workdir: Annotated[
        str, Option("--workdir", "-w", metavar="string", help="Working directory inside the container")
    ] = "",
) -> int:
    """Run a process in a running container."""
    from pod import state, values
    from pod.cli import terminal
    from pod.containers.execs import ExecOptions, launch_exec
    from pod.engine import open_engine
    from pod.errors import PodError

    if not container:
        raise PodError("exec requires the name or ID of a container or the --latest flag")
    if not command:
        raise PodError("must provide a non-empty command to start an exec session: invalid argument")
    preserve: tuple[int, ...] = ()
    if preserve_fds or preserve_fd:
        from pod.cli.flags.identity import descriptors

        preserve = descriptors(preserve_fds, preserve_fd)
    variables: dict[str, str] = {}
    for path in env_file or []:
        variables |= values.read_env_file(path, os.environ)
    variables |= values.parse_env(env or [], os.environ)
    options = ExecOptions(
        command,
        env=variables,
        user=user,
        workdir=workdir,
        tty=tty,
        stdin=interactive,
        privileged=privileged,
        console_size=terminal.size(),
        preserve=preserve,
    )
    terminal.check_detach_keys(detach_keys)
    engine = open_engine(write=True)
    launched = launch_exec(
        engine, state.find_container(engine.connection, container), options, meanwhile=None if detach else _prepare
    )
    terminal.hold_signals()
    launched.start()
    if detach:
        launched.detach()
        print(launched.id)
        return 0
    from pod.cli import attaching

    return attaching.attend(launched, stdin=interactive, terminal=tty, detach_keys=detach_keys, sig_proxy=False)


def _prepare() -> None:
    """Import what attaching needs, while the monitor makes the process."""
    import pod.cli.attaching  # noqa: F401
