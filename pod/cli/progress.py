"""How the copying of images goes on: bars on a terminal, lines elsewhere, on stderr; stdout is for the ID."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    from storage.transfer import Progress

SHORT = 12
REFRESH_SECONDS = 0.1


def display(*, quiet: bool = False) -> Silence:
    """Return what suits stderr."""
    if quiet:
        return Silence()
    return Bars() if sys.stderr is not None and sys.stderr.isatty() else Lines()


class Silence:
    """Shows nothing: `--quiet`."""

    @property
    def progress(self) -> Progress:
        """What storage is told to report to."""
        return self

    def begin(self, name: str) -> None:
        """Announce an image."""

    def end(self, image_id: str) -> None:
        """Tell that an image is there."""

    def layer(self, digest: str, size: int) -> None:
        """Announce a layer."""

    def bytes(self, digest: str, count: int) -> None:
        """Tell that bytes of a layer came."""

    def state(self, digest: str, state: str) -> None:
        """Tell how far a layer is."""

    def note(self, text: str) -> None:
        """Tell something else."""

    def warn(self, text: str) -> None:
        """Tell what the user is to know in any case."""
        if sys.stderr is not None:
            sys.stderr.write(f"WARNING: {text}\n")

    def __enter__(self) -> Silence:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to put back."""


class Lines(Silence):
    """Podman's lines."""

    def __init__(self) -> None:
        self.known: set[str] = set()

    def begin(self, name: str) -> None:
        """Announce an image."""
        self.known.clear()
        self.say(f"Trying to pull {name}...")

    def end(self, image_id: str) -> None:
        """Tell that an image is there."""
        if self.known:
            self.say(f"Copying config sha256:{image_id}")
            self.say("Writing manifest to image destination")

    def layer(self, digest: str, size: int) -> None:
        """Announce a layer."""
        if not self.known:
            self.say("Getting image source signatures")
        if digest not in self.known:
            self.known.add(digest)
            self.announce(digest, size)

    def announce(self, digest: str, size: int) -> None:
        """Say once that a layer is copied."""
        self.say(f"Copying blob {digest}")

    def note(self, text: str) -> None:
        """Tell something else."""
        self.say(text)

    def warn(self, text: str) -> None:
        """Tell what the user is to know in any case."""
        self.note(f"WARNING: {text}")

    def say(self, text: str) -> None:
        """Write a line."""
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


class Bars(Lines):
    """A bar for each layer.

    Refreshed from the events themselves, never by a thread: storage forks its workers from this process.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bars: Any = None
        self.tasks: dict[str, Any] = {}
        self.next_refresh = 0.0

    def announce(self, digest: str, size: int) -> None:
        """Begin a layer's bar."""
        if self.bars is None:
            self.bars = bars()
            self.bars.start()
        short = digest.partition(":")[2][:SHORT]
        self.tasks[digest] = self.bars.add_task(f"Copying blob {short}", total=size, state="")
        self.refresh()

    def bytes(self, digest: str, count: int) -> None:
        """Move a layer's bar on."""
        if digest in self.tasks:
            self.bars.advance(self.tasks[digest], count)
            self.refresh()

    def state(self, digest: str, state: str) -> None:
        """Tell at a layer's bar how far it is."""
        if digest not in self.tasks:
            return
        told = {"exists": "skipped: already exists", "waiting": "waiting for another pull", "done": "done"}.get(
            state, ""
        )
        task = self.tasks[digest]
        self.bars.update(task, state=told)
        if state in ("exists", "done"):
            self.bars.update(task, completed=next(one.total for one in self.bars.tasks if one.id == task))
        self.refresh(now=True)

    def refresh(self, *, now: bool = False) -> None:
        """Draw the bars, unless they were drawn just before."""
        moment = time.monotonic()
        if now or moment >= self.next_refresh:
            self.next_refresh = moment + REFRESH_SECONDS
            self.bars.refresh()

    def end(self, image_id: str) -> None:
        """Tell that an image is there."""
        self.stop()
        super().end(image_id)

    def note(self, text: str) -> None:
        """Tell something else, above the bars."""
        if self.bars is None:
            self.say(text)
        else:
            self.bars.console.print(text, markup=False, highlight=False)

    def stop(self) -> None:
        """Leave the bars as they are, and give the cursor back."""
        if self.bars is not None:
            self.bars.refresh()
            self.bars.stop()
        self.bars = None
        self.tasks.clear()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def bars() -> Any:
    """Return Rich's bars, on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        DownloadColumn(),
        TextColumn("{task.fields[state]}", markup=False),
        console=Console(stderr=True, highlight=False),
        auto_refresh=False,
        expand=True,
    )
