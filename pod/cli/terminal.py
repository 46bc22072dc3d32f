"""The user's terminal, as far as it matters before a container has one."""

from __future__ import annotations

import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal

    from pod.engine import Engine
else:
    import _signal

DEFAULT_DETACH_KEYS = "ctrl-p,ctrl-q"
# What ends a command. Held from the start of a program until its session passes signals on.
HELD = (_signal.SIGHUP, _signal.SIGINT, _signal.SIGQUIT, _signal.SIGTERM, _signal.SIGUSR1, _signal.SIGUSR2)


def check(wanted: bool) -> None:
    """Warn, as podman does with both --tty and --interactive, that nobody can type into a terminal if stdin is none."""
    if wanted and not posix.isatty(0):
        sys.stderr.write("The input device is not a TTY. The --tty and --interactive flags might not work properly\n")


def size() -> tuple[int, int]:
    """Return height and width of the user's terminal, zeros if there is none."""
    try:
        found = posix.get_terminal_size(0)
    except OSError:
        return 0, 0
    return found.lines, found.columns


def hold_signals() -> None:
    """Keep signals waiting: one that came now would end the command, but not the program that just starts."""
    _signal.pthread_sigmask(_signal.SIG_BLOCK, HELD)


def release_signals() -> None:
    """Let the signals come that were held."""
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, HELD)


def detach_keys(engine: Engine, said: str | None, of_container: str = "") -> str:
    """Return the keys to detach by: what was said, what the container was run with, containers.conf, the default.

    Raises PodError if they are none.
    """
    if said is None:
        said = of_container or str(engine.config.engine.get("detach_keys", DEFAULT_DETACH_KEYS))
    check_detach_keys(said)
    return said


def check_detach_keys(text: str | None) -> None:
    """Raise PodError if the keys are none, before anything is made."""
    if text and text != DEFAULT_DETACH_KEYS:
        from pod.cli.session import parse_detach_keys

        parse_detach_keys(text)
