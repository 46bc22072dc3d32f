"""The errors of the engine, and how any error is told to the user: one line, a hint, an exit status."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    class Report(NamedTuple):
        """What the user is told of an error."""

        message: str
        hint: str
        code: int


class PodError(Exception):
    """A command failed; `hint`, where there is one, says how to mend it; `code` is the exit status."""

    code = 125

    def __init__(self, message: str, *, hint: str = "", code: int | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        if code is not None:
            self.code = code


class ExitStatus(Exception):
    """Not an error: end the command with this status and no further word."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class UsageError(PodError):
    """The command line is not one that the command understands; `command` is whose help explains more."""

    def __init__(self, message: str, *, command: str = "") -> None:
        super().__init__(message)
        self.command = command


class ContainerNotFoundError(PodError):
    """No container of this name or ID."""

    def __init__(self, name: str, *, hint: str = "") -> None:
        super().__init__(f'no container with name or ID "{name}" found: no such container', hint=hint)


class NameInUseError(PodError):
    """Another container has the name."""

    def __init__(self, name: str, owner: str) -> None:
        super().__init__(
            f'the container name "{name}" is already in use by {owner}. You have to remove that container'
            " to be able to reuse that name: that name is already in use",
            hint="--replace removes the other container first",
        )


class NoSuchPodError(PodError):
    """No pod of this name or ID."""

    def __init__(self, name: str, *, hint: str = "") -> None:
        super().__init__(f"no pod with name or ID {name} found: no such pod", hint=hint)


class PodNameInUseError(PodError):
    """A pod has the name, or a container has that of a pod to be; `owner` is which of the two."""

    def __init__(self, name: str, owner: str, *, adding: bool = False) -> None:
        super().__init__(
            f'{"adding pod to state: " if adding else ""}name "{name}" is in use: {owner} already exists',
            hint=f"pods and containers share their names: choose another, or remove that {owner}",
        )


class StateError(PodError):
    """The container is not in a state that allows the operation."""


class NoSuchVolumeError(PodError):
    """No volume of this name."""

    def __init__(self, name: str, *, hint: str = "") -> None:
        super().__init__(f'no volume with name "{name}" found: no such volume', hint=hint)


class VolumeExistsError(PodError):
    """A volume of this name is there already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"volume with name {name} already exists: volume already exists")


class VolumeInUseError(PodError):
    """Containers use the volume (exit status 2, as `podman volume rm`)."""

    code = 2

    def __init__(self, name: str, containers: list[str]) -> None:
        users = ", ".join(containers)
        super().__init__(f"volume {name} is being used by the following container(s): {users}: volume is being used")


class NoSpaceError(PodError):
    """The disk or its inodes are used up."""


class ConfigError(PodError):
    """A configuration file cannot be read or says something impossible."""


def report(error: BaseException) -> Report | tuple[str, str, int] | None:
    """Return message, hint and exit status for an error that is no bug of ours, else None."""
    from runtime.errors import CommandNotFoundError, NotExecutableError, OCIRuntimeError
    from storage.errors import StorageError

    if isinstance(error, PodError):
        return str(error), error.hint, error.code
    if isinstance(error, OCIRuntimeError):
        code = 127 if isinstance(error, CommandNotFoundError) else 126 if isinstance(error, NotExecutableError) else 125
        return str(error), error.hint, code
    if isinstance(error, StorageError):
        # Work that a signal ended is told by the status that a shell gives for the signal.
        ended_by = getattr(error, "signal", None)
        return str(error), error.hint, 125 if ended_by is None else 128 + ended_by
    if isinstance(error, OSError):
        return _system(error)
    if type(error).__module__ in ("sqlite3", "_sqlite3"):
        return _database(error)
    if isinstance(error, UnicodeEncodeError):
        return f"not valid UTF-8: {error.object[:200]!a}", "", 125
    if isinstance(error, MemoryError):
        return "out of memory", "", 125
    return None


def _system(error: OSError) -> tuple[str, str, int]:
    from errno import EACCES, EDQUOT, EMFILE, ENFILE, ENOSPC, EPERM, EROFS

    hints = {
        ENOSPC: "free some space, or choose another disk with --root",
        EDQUOT: "your disk quota is used up",
        EROFS: "choose a writable place with --root and --runroot",
        EMFILE: "raise the limit of open files (ulimit -n)",
        ENFILE: "the system has no more file handles",
        EACCES: "is the directory yours? another user's store cannot be used",
        EPERM: "",
    }
    cause = (error.strerror or str(error)).lower()
    places = [str(name) for name in (error.filename, error.filename2) if name is not None]
    return ": ".join([*places, cause]), hints.get(error.errno or 0, ""), 125


def _database(error: BaseException) -> tuple[str, str, int]:
    message = str(error)
    hint = ""
    if "locked" in message:
        hint = "another pod command holds the database for long; try again"
    elif "readonly" in message:
        hint = "choose a writable place with --root and --runroot"
    elif "full" in message:
        hint = "free some space, or choose another disk with --root"
    elif "malformed" in message or "not a database" in message:
        hint = "the file pod.db in the store is damaged"
    return f"database: {message}", hint, 125
