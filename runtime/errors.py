"""The errors of the runtime: conditions that callers tell apart."""

from __future__ import annotations


class OCIRuntimeError(Exception):
    """An operation of the runtime failed; `hint`, where there is one, says how to mend it."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class SpecError(OCIRuntimeError):
    """The bundle's config.json is not one that this runtime can run."""


class HookError(OCIRuntimeError):
    """A hook failed, which ends the container's life where it is."""


class ContainerNotFoundError(OCIRuntimeError):
    """No container of this ID below the runtime's root."""


class ContainerExistsError(OCIRuntimeError):
    """A container of this ID is there already."""


class NotRunningError(OCIRuntimeError):
    """The operation needs a running container."""


class IdNotMappedError(OCIRuntimeError):
    """A user or group ID does not exist in the container's user namespace."""


class CommandNotFoundError(OCIRuntimeError):
    """The program of the container does not exist in its root file system (exit code 127)."""


class NotExecutableError(OCIRuntimeError):
    """The program of the container exists but cannot be executed (exit code 126)."""
