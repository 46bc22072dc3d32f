"""Unpack a layer in a process of its own, confined to its staging directory."""

from __future__ import annotations

import os
import signal
from dataclasses import asdict, fields

from storage import worker
from storage.layers.unpacking import LayerResult, UnpackOptions, unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any


AHEAD = 4
# In bytes: below it, a process more costs more than it brings.
_SMALL = 1 << 20


class Worker(worker.Worker):
    """The parent's end of a worker that unpacks, and of the process that may receive and inflate for it."""

    def result(self) -> LayerResult:
        """Wait for the end; return the layer, or raise what went wrong."""
        return _result_of(self.values())

    def kill(self) -> None:
        """End both at once; what they were writing is left as it is."""
        if self._status is None:
            os.kill(self.pid, signal.SIGKILL)
            while os.read(self._fd, 1 << 16):
                pass  # The other one dies with it, but a moment later: the pipe's end is when it has.
            self._reap()


def _result_of(values: dict[str, Any]) -> LayerResult:
    values["pending_links"] = tuple(tuple(pair) for pair in values["pending_links"])
    for field in fields(LayerResult):
        value = values[field.name]
        values[field.name] = tuple(value) if isinstance(value, list) else value
    return LayerResult(**values)


def fork_unpack(
    open_chunks: Callable[[], Iterator[bytes]],
    staging: str,
    *,
    options: UnpackOptions,
    expected_digest: str | None = None,
    expected_size: int | None = None,
    expected_diff_id: str | None = None,
    progress: Callable[[int], None] | None = None,
    ahead: int = AHEAD,
) -> Worker:
    """Start a process that unpacks as `unpack` does; `open_chunks` is called in it, `progress` in the caller.

    Unless there is too little to be inflated, another one does that up to `ahead` MiB ahead.

    The worker dies with the thread that calls this. It keeps the caller's fds open (and so its locks), and uses none.
    """
    if options.inflated or (expected_size is not None and expected_size < _SMALL):
        ahead = 0

    def run(report: Callable[[int], None]) -> dict[str, Any]:
        result = unpack(
            open_chunks(),
            staging,
            options=options,
            expected_digest=expected_digest,
            expected_size=expected_size,
            expected_diff_id=expected_diff_id,
            progress=report,
            ahead=ahead,
            confine=True,
        )
        return asdict(result)

    return worker.fork(Worker, run, "unpack layer", progress)
