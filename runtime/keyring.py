"""The session keyring of a container, so that the caller's keys are out of its reach (session-keyring(7))."""

from __future__ import annotations

from errno import ENOSYS, EPERM

from runtime import syscalls
from runtime.sync import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.labels import Labels

_KEY_USR_SEARCH = 0x080000


def name(container_id: str, created: str) -> str:
    """Return the name of a container's keyring: no other container has it, not even one of the same ID."""
    return f"_ses.{container_id}.{created}"


def join(name: str, labels: Labels | None, proc: int) -> str:
    """Enter the keyring of this name, made if it is missing; return a warning if that is impossible.

    A process that enters later finds it by its name, for which its user must be allowed to search it.
    """
    if labels is not None:
        labels.label_keys(proc, True)
    try:
        key = syscalls.keyctl_join_session(name)
        permissions = int(syscalls.keyctl_describe(key).split(b";")[3], 16)
        syscalls.keyctl_set_permissions(key, permissions | _KEY_USR_SEARCH)
    except OSError as error:
        # ENOSYS: no keyrings; EPERM: a filter that we are under denies them. EDQUOT: this user has too many.
        if error.errno in (ENOSYS, EPERM):
            return ""
        return f"the container shares the session keyring of its caller: {describe(error)}"
    finally:
        if labels is not None:
            labels.label_keys(proc, False)
    return ""
