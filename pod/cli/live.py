"""Showing how a build goes on, on a terminal: at the bottom the steps under way, each with the last lines it said.

A step that has ended is one line, which stays; of one that failed everything it said. Nothing here is a thread: the
build calls `tick` whenever it is about to wait.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from pod.cli.kept_output import KeptOutput
from pod.cli.screen import DIM, GREEN, RED, cleaned, clipped, padded
from pod.cli.steps import around, committing, stage_mark, tagging

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pod.build.asked.options import BuildOptions
    from pod.build.language.instructions import Containerfile
    from pod.build.watching import StepPlace
    from pod.cli.screen import Screen
    from storage.images import Image

_TAIL = 5
_LONGEST = 1 << 12  # of a line that is shown
_REFRESH = 0.1
_TIME = 9


class _Running:
    """A step under way."""

    def __init__(self, place: StepPlace) -> None:
        self.place = place
        self.began = time.monotonic()
        self.cached = False
        self.kept = KeptOutput()
        self.tail: deque[bytes] = deque(maxlen=_TAIL)
        self._open: dict[int, bytes] = {}  # the line of each stream that is not whole

    def say(self, stream: int, data: bytes) -> None:
        """Take what its program says; all of it is for stderr, as everything here."""
        self.kept.add(2, data)
        *lines, rest = (self._open.get(stream, b"") + data).split(b"\n")
        self.tail.extend(line for line in lines[-_TAIL:] if line.strip())
        self._open[stream] = rest[-_LONGEST:]

    def last_lines(self, count: int) -> list[str]:
        """Return the last lines that it said, as text."""
        lines = [*self.tail, *(line for line in self._open.values() if line.strip())]
        return [cleaned(line[-_LONGEST:]) for line in lines[-count:]] if count > 0 else []


class Live:
    """Shows a build on a screen."""

    def __init__(self, file: Containerfile, screen: Screen) -> None:
        self._file = file
        self._screen = screen
        self._running: dict[int, _Running] = {}  # by stage
        self._above: list[str] = []  # what is to be drawn for good
        self._next = 0.0

    def begin(self, place: StepPlace) -> None:
        """Add a step; one before it in its stage that had no end of its own, as ARG, has ended by that."""
        self._close(place.stage)
        self._running[place.stage] = _Running(place)

    def cached(self, place: StepPlace, identity: str) -> None:
        """Remember that nothing needed to be done."""
        self._running[place.stage].cached = True

    def output(self, place: StepPlace, stream: int, data: bytes) -> None:
        """Take what the program says."""
        self._running[place.stage].say(stream, data)

    def end(self, place: StepPlace, identity: str) -> None:
        """Make the step a line that stays."""
        self._close(place.stage)

    def _close(self, stage: int) -> None:
        step = self._running.pop(stage, None)
        if step is not None:
            style = GREEN if step.cached else ""
            self._above.append(self._headline(step, "CACHED" if step.cached else _elapsed(step), style))

    def failed(self, place: StepPlace) -> None:
        """Print all that the step has said, and which lines of the Containerfile it is."""
        step = self._running.pop(place.stage)
        self._screen.draw([*self._above, self._headline(step, _elapsed(step), RED)], [])
        self._above = []
        step.kept.print()
        self._above += around(self._file, place)
        self._draw()

    def note(self, text: str) -> None:
        """Print a line above."""
        self._above.append(text)

    def warn(self, text: str) -> None:
        """Print a warning above."""
        self._above.append(f"WARNING: {text}")

    def tick(self) -> int:
        """Draw again, but not all the time."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _REFRESH
            self._draw()
        return max(1, int((self._next - now) * 1000) + 1)

    def committed(self, image: Image, options: BuildOptions) -> None:
        """Say what the image is called."""
        self._above += committing(image, options)

    def tagged(self, names: Sequence[str]) -> None:
        """Say which names something has got."""
        self._above += tagging(names)

    def close(self) -> None:
        """Leave the screen with what stays; steps under way vanish."""
        self._running.clear()
        self._draw()

    def _draw(self) -> None:
        self._screen.draw(self._above, self._below())
        self._above = []

    def _below(self) -> list[str]:
        """Return the lines of the steps under way, no more than there is room for."""
        columns, rows = self._screen.size()
        steps = [self._running[stage] for stage in sorted(self._running)][: rows - 1]
        room = (rows - 1 - len(steps)) // len(steps) if steps else 0
        lines = []
        for step in steps:
            lines.append(self._headline(step, _elapsed(step)))
            told = step.last_lines(min(room, _TAIL))
            lines += [self._screen.styled(clipped(f"    {text}", columns - 1), DIM) for text in told]
        return lines

    def _headline(self, step: _Running, time: str, style: str = "") -> str:
        place = step.place
        columns = self._screen.size()[0] - 1
        text = cleaned(f"{stage_mark(place)}STEP {place.step}/{place.steps}: {place.text}".encode())
        line = f"{padded(text, max(0, columns - _TIME))}{time:>{_TIME}}"
        return self._screen.styled(line, style) if style else line


def _elapsed(step: _Running) -> str:
    seconds = time.monotonic() - step.began
    return f"{seconds:.1f}s" if seconds < 60 else f"{int(seconds) // 60}m{int(seconds) % 60:02}s"
