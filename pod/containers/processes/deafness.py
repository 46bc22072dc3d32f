"""Whether a container's first process hears the signal that asks it to end: the kernel says so in proc(5)."""

from __future__ import annotations

from pod.containers import status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pod.config import Config
    from pod.state import Container

_KILL = 9
_NAMES = {1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 10: "SIGUSR1", 12: "SIGUSR2", 15: "SIGTERM", 28: "SIGWINCH"}


def tell(config: Config, container: Container, seconds: int, warn: Callable[[str], None]) -> None:
    """Warn if the container's stop signal will not end it; with a negative number of seconds, nothing ever will."""
    signal: int = container.config["stop_signal"]
    if not is_deaf(status.observe(config, container.id).pid, signal):
        return
    name = _NAMES.get(signal, f"signal {signal}")
    then = "nothing will end it" if seconds < 0 else f"it is killed after {seconds} seconds"
    warn(
        f"Warning: the first process of container {container.name} does not heed {name}: {then}\n"
        f"hint: run it with --init, or have the program handle {name}\n"
    )


def is_deaf(pid: int, signal: int) -> bool:
    """Tell whether a process will not notice a signal: it ignores it, or is PID 1 of a namespace with no handler."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            fields = dict(line.split(":", 1) for line in file if ":" in line)
    except OSError:
        return False
    if signal == _KILL:
        return False
    bit = 1 << (signal - 1)
    ignored, caught, blocked = (int(fields.get(name, "0"), 16) & bit for name in ("SigIgn", "SigCgt", "SigBlk"))
    if blocked or caught:
        return False  # a blocked one is taken by sigwait(3) or signalfd(2)
    inside = fields.get("NSpid", "").split()
    return (bool(ignored) or (len(inside) > 1 and inside[-1] == "1")) and not _waits_for_signals(pid)


def _waits_for_signals(pid: int) -> bool:
    """Tell whether a process is in rt_sigtimedwait(2), as tini is: what it waits for shows as not blocked meanwhile."""
    try:
        with open(f"/proc/{pid}/wchan", encoding="ascii", errors="replace") as file:
            return file.read().startswith("do_sigtimedwait")
    except OSError:
        return False
