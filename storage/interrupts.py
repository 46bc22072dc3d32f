"""Ending long work by SIGINT, SIGTERM or SIGHUP at the points where it can end cleanly.

A handler that raises anywhere might do so between BEGIN and COMMIT, or in the middle of the cleaning up. This one
raises only while the program waits in `waiting()`; elsewhere the signal is remembered until `check()`.
"""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from storage.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class InterruptedByError(StorageError):
    """A signal ended the work; everything is cleaned up."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(signal_number).name}")
        self.signal = signal_number


class _SignalledError(BaseException):
    """Passes through code that catches what it knows."""


class Interrupts:
    """Handlers of the signals, set within the `with` block (nothing is done outside of the main thread)."""

    def __init__(self) -> None:
        self._signal = 0
        self._waiting = False
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        try:
            for number in _SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._handle)
        except ValueError:
            pass
        return self

    def __exit__(self, *_: object) -> None:
        self.restore()

    def restore(self) -> None:
        """Put the handlers back that were there; a forked child does so first."""
        for number, handler in self._previous.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        self._previous = {}

    def check(self) -> None:
        """Raise if a signal came."""
        if self._signal:
            raise InterruptedByError(self._signal)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Let a signal raise at once in the block: it waits, and holds nothing that is not cleaned up by exceptions."""
        self._waiting = True
        try:
            self.check()
            yield
        except _SignalledError:
            raise InterruptedByError(self._signal) from None
        finally:
            self._waiting = False

    def _handle(self, number: int, _: FrameType | None) -> None:
        self._signal = number
        if self._waiting:
            self._waiting = False
            raise _SignalledError
