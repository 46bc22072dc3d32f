"""What can go wrong with D-Bus."""

from __future__ import annotations

from runtime.errors import OCIRuntimeError


class BusError(OCIRuntimeError):
    """The bus cannot be reached, does not answer, or does not keep to its protocol."""


class CallError(BusError):
    """A method call was answered by an error; `name` is the error's, as in `org.freedesktop.systemd1.NoSuchUnit`."""

    def __init__(self, method: str, name: str, text: str) -> None:
        super().__init__(f"{method}: {text} ({name})" if text else f"{method}: {name}")
        self.name = name
