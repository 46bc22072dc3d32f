"""Resource limits of a process (prlimit(2)), by the names of the specification."""

from __future__ import annotations

from runtime import syscalls
from runtime.errors import OCIRuntimeError, SpecError
from runtime.kernel import RLIM_INFINITY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Limit = tuple[str, int, int]

NUMBERS = {
    name: number
    for number, name in enumerate(
        "RLIMIT_CPU RLIMIT_FSIZE RLIMIT_DATA RLIMIT_STACK RLIMIT_CORE RLIMIT_RSS RLIMIT_NPROC RLIMIT_NOFILE "
        "RLIMIT_MEMLOCK RLIMIT_AS RLIMIT_LOCKS RLIMIT_SIGPENDING RLIMIT_MSGQUEUE RLIMIT_NICE RLIMIT_RTPRIO "
        "RLIMIT_RTTIME".split()
    )
}


def read_limits(documents: list[dict[str, Any]]) -> list[Limit]:
    """Return (name, soft, hard) of each entry of `process.rlimits`."""
    limits: list[Limit] = []
    seen = set()
    for index, document in enumerate(documents):
        name = document["type"]
        if name in seen:
            raise SpecError(f"process.rlimits[{index}].type `{name}` is there twice")
        seen.add(name)
        soft, hard = (RLIM_INFINITY if document[key] == -1 else document[key] for key in ("soft", "hard"))
        if soft > hard:
            raise SpecError(f"process.rlimits[{index}].soft of `{name}` is above its hard limit")
        limits.append((name, soft, hard))
    return limits


def _shown(value: int) -> str:
    return "unlimited" if value == RLIM_INFINITY else str(value)


def allow(pid: int, limits: list[Limit]) -> None:
    """Raise the hard limits of the process `pid` as far as `apply` will need it there.

    That needs CAP_SYS_RESOURCE in the first user namespace. No limit is lowered: the process still has work to do
    that is not the container's.
    """
    for name, soft, hard in limits:
        soft_now, hard_now = syscalls.read_limit(pid, NUMBERS[name])
        if hard <= hard_now:
            continue
        try:
            syscalls.prlimit(pid, NUMBERS[name], soft_now, hard)
        except PermissionError as error:
            raise OCIRuntimeError(
                _failure(name, soft, hard, error),
                hint=f"the hard limit can be at most {_shown(hard_now)} here: ask for no more, or have it raised for"
                " this user",
            ) from error
        except OSError as error:
            raise OCIRuntimeError(_failure(name, soft, hard, error)) from error


def apply(limits: list[Limit]) -> None:
    """Set the limits of this process, which are from then on the container's."""
    for name, soft, hard in limits:
        try:
            syscalls.prlimit(0, NUMBERS[name], soft, hard)
        except OSError as error:
            raise OCIRuntimeError(_failure(name, soft, hard, error)) from error


def _failure(name: str, soft: int, hard: int, error: OSError) -> str:
    return f"set rlimit {name} to {_shown(soft)}:{_shown(hard)}: {error.strerror}"
