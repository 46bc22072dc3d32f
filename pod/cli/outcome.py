"""What the flags of `build` say of what it gives, and what that comes to."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pod import environ
from pod.build import outputs
from pod.build.times import EPOCH, Times, times_of
from pod.errors import PodError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pod.build.outputs import Output


class AskedOutcome:
    """What the flags say."""

    def __init__(self) -> None:
        self.outputs: list[str] = []
        self.timestamp = ""
        self.source_date_epoch = ""
        self.rewrite_timestamp = False

    @property
    def where(self) -> tuple[Output, ...]:
        """Where files go besides the store. Raises PodError."""
        found = tuple(map(outputs.parse, self.outputs))
        if any(output.to_stdout for output in found) and os.isatty(1):
            raise PodError("refusing to write a tar to a terminal", hint="-o FILE, or redirect")
        return found

    @property
    def to_stdout(self) -> bool:
        """Whether stdout gets a tar, and so nothing else."""
        return any(outputs.parse(text).to_stdout for text in self.outputs)

    @property
    def epoch(self) -> str:
        """What --source-date-epoch says, else the environment."""
        return self.source_date_epoch or environ.value(EPOCH)

    def times(self, arguments: Mapping[str, str]) -> Times:
        """Return which times the image has, whose ARGs have these values. Raises PodError."""
        return times_of(self.timestamp, self.epoch, rewrite=self.rewrite_timestamp, arguments=arguments)
