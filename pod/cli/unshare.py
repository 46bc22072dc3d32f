"""`pod unshare`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Annotated, NoReturn

    from typer import Argument, Option

INTERSPERSED = False


def main(
    command: Annotated[
        list[str] | None, Argument(metavar="[COMMAND [ARG...]]", help="What to run, the shell if nothing")
    ] = None,
    rootless_netns: Annotated[
        bool,
        Option("--rootless-netns", help="Join the rootless network namespace used for CNI and netavark networking"),
    ] = False,
) -> int:
    """Run a command in a modified user namespace."""
    import os

    from pod import config, rootless, settings
    from pod.errors import PodError
    from runtime import kernel, syscalls

    found = config.load(settings.current)
    if not found.rootless:
        raise PodError("please use unshare with rootless")
    rootless.enter(found)
    syscalls.unshare(kernel.CLONE_NEWNS)
    syscalls.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    environment = dict(os.environ, CONTAINERS_GRAPHROOT=found.graphroot, CONTAINERS_RUNROOT=found.runroot)
    words = command or [os.environ.get("SHELL") or "/bin/sh"]
    if not rootless_netns:
        _become(words, environment)
    from pod.networks import shared

    return shared.run(found.runroot, lambda: _become(words, environment))


def _become(words: list[str], environment: dict[str, str]) -> NoReturn:
    import os

    from pod.errors import PodError

    try:
        os.execvpe(words[0], words, environment)
    except PermissionError as error:
        raise PodError(f"{words[0]}: permission denied", code=126) from error
    except OSError as error:
        raise PodError(f"{words[0]}: {(error.strerror or '').lower()}", code=127) from error
