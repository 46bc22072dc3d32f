"""What the flags of `build` say of what it gives, and what that comes to."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pod import __version__, environ, values
from pod.build.asked import outputs
from pod.build.asked.outcome import Outcome
from pod.build.asked.times import EPOCH, Times, times_of
from pod.cli.build_log import BuildLog
from pod.cli.results import ResultFiles
from pod.errors import PodError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pod.build.asked.outputs import Output


class AskedOutcome:
    """What the flags say."""

    def __init__(self) -> None:
        self.outputs: list[str] = []
        self.timestamp: str | None = None
        self.source_date_epoch: str | None = None
        self.rewrite_timestamp = False
        self.layer_labels: list[str] = []
        self.no_labels: list[str] = []
        self.no_annotations: list[str] = []
        self.identity_label = False
        self.logfile = ""
        self.logsplit = False
        self.files = ResultFiles()
        self.kept: dict[str, bool] = {}  # fields of Outcome

    def settled(self, labels: list[str], annotations: list[str], no_environment: list[str]) -> Outcome:
        """Return what the image says of itself, with these flags of other groups. Raises PodError."""
        identity = (("io.pod.version", __version__),) if self.identity_label else ()
        return Outcome(
            labels=(*identity, *(values.parse_pair(text, "label") for text in labels)),
            no_labels=tuple(self.no_labels),
            layer_labels=tuple((name, value) for name, _, value in (text.partition("=") for text in self.layer_labels)),
            annotations=tuple(values.parse_pair(text, "annotation") for text in annotations),
            no_annotations=tuple(self.no_annotations),
            no_environment=tuple(no_environment),
            **self.kept,
        )

    @property
    def log(self) -> BuildLog:
        """Where goes what the build tells."""
        return BuildLog(self.logfile, split=self.logsplit, keep_stdout=self.to_stdout)

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
    def epoch(self) -> str | None:
        """What --source-date-epoch says, else the environment; None for neither."""
        return self.source_date_epoch if self.source_date_epoch is not None else environ.value(EPOCH) or None

    def times(self, arguments: Mapping[str, str]) -> Times:
        """Return which times the image has, whose ARGs have these values. Raises PodError."""
        return times_of(self.timestamp, self.epoch, rewrite=self.rewrite_timestamp, arguments=arguments)
