"""What a build tells of its progress; the command line shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pod.build.asked.options import BuildOptions
    from storage.images import Image


@dataclass(frozen=True)
class StepPlace:
    """Which step of which stage it is; all count from 1. The last one is that after which there is an image.

    `line` to `end_line` is its place in the Containerfile, 0 for a trigger of an image; `beside` tells whether other
    stages may go on at the same time.
    """

    stage: int
    stages: int
    step: int
    steps: int
    text: str
    line: int
    end_line: int
    is_last: bool = False
    platform: str = ""  # where several are built for
    beside: bool = False


class Watcher(Protocol):
    """Whoever shows how a build goes on. Stages go on side by side, each step's calls come in their order."""

    def begin(self, place: StepPlace) -> None:
        """Show that a step begins."""

    def cached(self, place: StepPlace, identity: str) -> None:
        """Show that a step's result is known already, before its end."""

    def output(self, place: StepPlace, stream: int, data: bytes) -> None:
        """Show what the program of a step says, on stream 1 or 2."""

    def end(self, place: StepPlace, identity: str) -> None:
        """Show that a step has ended; `identity` is the ID that the image would have now."""

    def failed(self, place: StepPlace) -> None:
        """Show that a step has failed."""

    def committed(self, image: Image, options: BuildOptions) -> None:
        """Show that an image is there, under the names that the options have."""

    def note(self, text: str) -> None:
        """Tell of something that was done."""

    def warn(self, text: str) -> None:
        """Tell of something that is not as it was perhaps meant."""

    def tick(self) -> int | None:
        """Show how time goes by; return in how many milliseconds to do so again, None for never."""
