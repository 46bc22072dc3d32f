"""What the flags of `build` say of what it gives, and what that comes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pod import environ
from pod.build.times import EPOCH, Times, times_of

if TYPE_CHECKING:
    from collections.abc import Mapping


class AskedOutcome:
    """What the flags say."""

    def __init__(self) -> None:
        self.timestamp = ""
        self.source_date_epoch = ""
        self.rewrite_timestamp = False

    @property
    def epoch(self) -> str:
        """What --source-date-epoch says, else the environment."""
        return self.source_date_epoch or environ.value(EPOCH)

    def times(self, arguments: Mapping[str, str]) -> Times:
        """Return which times the image has, whose ARGs have these values. Raises PodError."""
        return times_of(self.timestamp, self.epoch, rewrite=self.rewrite_timestamp, arguments=arguments)
