"""When an image says that it was made, and which times its new files have: `--timestamp` and its like. Pure.

Sources: buildah-build(1); https://reproducible-builds.org/docs/source-date-epoch/.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pod.errors import PodError
from runtime.moments import from_seconds, shortest
from storage.layers.write import FileTimes

if TYPE_CHECKING:
    from collections.abc import Mapping

EPOCH = "SOURCE_DATE_EPOCH"  # both the variable of the environment and the ARG


@dataclass(frozen=True)
class Times:
    """Moments in seconds since 1970; `made` is None for now, `files` for those that they have."""

    made: int | None = None
    files: FileTimes | None = None

    def of(self, moment: float) -> float:
        """Return when something was made that was made at a moment."""
        return moment if self.made is None else float(self.made)

    @property
    def key(self) -> tuple[str, int]:
        """What of this tells results of steps from those of other builds."""
        if self.files is None:
            return ("", 0) if self.made is None else ("made", 0)
        return "exact" if self.files.exact else "latest", self.files.latest


def moment(seconds: float) -> str:
    """Return a time as the documents have it."""
    return shortest(from_seconds(seconds))


def times_of(timestamp: str | None, epoch: str | None, *, rewrite: bool, arguments: Mapping[str, str]) -> Times:
    """Return what is asked for (None: nothing); without --source-date-epoch the ARG of that name tells.

    Raises PodError.
    """
    if epoch is None:
        epoch = arguments.get(EPOCH) or None
    if timestamp is not None and epoch is not None:
        raise PodError(
            "timestamp and source-date-epoch would be ambiguous if allowed together",
            hint=f"leave one out; {EPOCH} of the environment counts as --source-date-epoch",
        )
    if timestamp is not None:
        seconds = _seconds(timestamp, "timestamp")
        return Times(seconds, FileTimes(seconds, exact=True))
    if epoch is None:
        return Times()
    seconds = _seconds(epoch, "source-date-epoch")
    return Times(seconds, FileTimes(seconds) if rewrite else None)


def with_epoch(arguments: Mapping[str, str], epoch: str | None) -> dict[str, str]:
    """Return the values that ARGs get, among them that of the epoch unless it has one."""
    return {EPOCH: epoch, **arguments} if epoch else dict(arguments)


def _seconds(text: str, flag: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 11:
        raise PodError(f'invalid value "{text}" for --{flag}', hint="seconds since 1970: date +%s")
    return int(text)
