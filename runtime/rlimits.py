"""Resource limits of a process (prlimit(2)), by the names of the specification."""

from __future__ import annotations

from runtime import syscalls
from runtime.errors import OCIRuntimeError, SpecError
from runtime.kernel import RLIM_INFINITY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Limit = tuple[str, int, int]

_NUMBERS = {
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
    for document in documents:
        name = document.get("type")
        if name not in _NUMBERS:
            raise SpecError(f"rlimit `{name}` is not known")
        if name in seen:
            raise SpecError(f"rlimit `{name}` is there twice")
        seen.add(name)
        soft, hard = _value(name, document.get("soft", 0)), _value(name, document.get("hard", 0))
        if soft > hard:
            raise SpecError(f"rlimit `{name}` has a soft limit above its hard limit")
        limits.append((name, soft, hard))
    return limits


def _value(name: str, value: Any) -> int:
    if not isinstance(value, int) or not -1 <= value <= RLIM_INFINITY:
        raise SpecError(f"rlimit `{name}` has the value {value!r}, which is no number of the kernel's")
    return RLIM_INFINITY if value == -1 else value


def _shown(value: int) -> str:
    return "unlimited" if value == RLIM_INFINITY else str(value)


def allow(pid: int, limits: list[Limit]) -> None:
    """Raise the hard limits of the process `pid` as far as `apply` will need it there.

    That needs CAP_SYS_RESOURCE in the first user namespace. No limit is lowered: the process still has work to do
    that is not the container's.
    """
    for name, soft, hard in limits:
        soft_now, hard_now = syscalls.read_limit(pid, _NUMBERS[name])
        if hard <= hard_now:
            continue
        try:
            syscalls.prlimit(pid, _NUMBERS[name], soft_now, hard)
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
            syscalls.prlimit(0, _NUMBERS[name], soft, hard)
        except OSError as error:
            raise OCIRuntimeError(_failure(name, soft, hard, error)) from error


def _failure(name: str, soft: int, hard: int, error: OSError) -> str:
    return f"set rlimit {name} to {_shown(soft)}:{_shown(hard)}: {error.strerror}"
