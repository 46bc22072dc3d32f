"""`pod exec`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated

    from typer import Argument, Option

INTERSPERSED = False


def main(
    words: Annotated[
        list[str] | None, Argument(metavar="CONTAINER COMMAND [ARG...]", help="Name or ID; what to run in it")
    ] = None,
    cidfile: Annotated[str, Option("--cidfile", metavar="string", help="File to read the container ID from")] = "",
    detach: Annotated[bool, Option("--detach", "-d", help="Run the exec session in detached mode")] = False,
    detach_keys: Annotated[
        str | None, Option("--detach-keys", metavar="string", help="The key sequence for detaching a container")
    ] = None,
    env: Annotated[
        list[str] | None, Option("--env", "-e", metavar="stringArray", help="Set environment variables")
    ] = None,
    env_file: Annotated[
        list[str] | None, Option("--env-file", metavar="strings", help="Read in a file of environment variables")
    ] = None,
    interactive: Annotated[bool, Option("--interactive", "-i", help="Keep STDIN open even if not attached")] = False,
    latest: Annotated[bool, Option("--latest", "-l", help="Act on the latest container pod is aware of")] = False,
    no_session: Annotated[
        bool, Option("--no-session", help="Do not record a session for the process: inspect does not show it")
    ] = False,
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
    from pod.cli import each, terminal
    from pod.containers.chooser import Choice
    from pod.containers.execs import ExecOptions, launch_exec
    from pod.engine import open_engine
    from pod.errors import PodError

    if no_session and (detach or detach_keys is not None):
        raise PodError("--no-session cannot be used with --detach or --detach-keys")
    if latest and cidfile:
        raise PodError("--latest and --cidfile can not be used together")
    said = words or []
    if not (said or latest or cidfile):
        raise PodError("exec requires the name or ID of a container or the --latest or --cidfile flag")
    named, command = ([], said) if latest or cidfile else (said[:1], said[1:])
    options = ExecOptions(
        command,
        env=_variables(env_file or [], env or []),
        user=user,
        workdir=workdir,
        tty=tty,
        stdin=interactive,
        privileged=privileged,
        console_size=terminal.size(),
        preserve=_descriptors(preserve_fds, preserve_fd),
        detached=detach,
        recorded=not no_session,
    )
    terminal.check_detach_keys(detach_keys)
    engine = open_engine(write=True)
    choice = Choice(named, latest=latest, cidfiles=[cidfile] if cidfile else None)
    container = each.chosen(engine, choice)[0].container
    keys = terminal.detach_keys(engine, detach_keys)
    if not command:
        raise PodError("must provide a non-empty command to start an exec session: invalid argument", code=255)
    launched = launch_exec(engine, container, options, meanwhile=None if detach else _prepare)
    terminal.hold_signals()
    launched.start()
    if detach:
        launched.detach()
        print(launched.id)
        return 0
    from pod.cli import attaching

    return attaching.attend(launched, stdin=interactive, terminal=tty, detach_keys=keys, sig_proxy=False)


def _variables(files: list[str], said: list[str]) -> dict[str, str]:
    """Return the variables of --env-file, then those of --env."""
    from pod import environ, values

    variables: dict[str, str] = {}
    for path in files:
        variables |= values.read_env_file(path, environ.variables())
    return variables | values.parse_env(said, environ.variables())


def _descriptors(preserve_fds: int, preserve_fd: list[str] | None) -> tuple[int, ...]:
    """Return the descriptors of this process that the new one gets too."""
    if not (preserve_fds or preserve_fd):
        return ()
    from pod.cli.flags.identity import descriptors

    return descriptors(preserve_fds, preserve_fd)


def _prepare() -> None:
    """Import what attaching needs, while the monitor makes the process."""
    import pod.cli.attaching  # noqa: F401
