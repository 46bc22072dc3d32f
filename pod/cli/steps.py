"""Showing how a build goes on: podman's lines, one after the other."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from pod import environ
from pod.build.language import origins
from pod.build.watching import Watcher
from pod.cli.excerpt import excerpt
from pod.cli.kept_output import KeptOutput, write
from pod.errors import PodError
from storage.images import tag_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TextIO

    from pod.build.asked.options import BuildOptions
    from pod.build.language.instructions import Containerfile
    from pod.build.watching import StepPlace
    from storage.images import Image

SHORT = 12
MODES = ("auto", "plain", "tty", "quiet")
_LONGEST = 1 << 16  # of a line that is kept back until it is whole


def stage_mark(place: StepPlace) -> str:
    """Return what says of which platform and stage a line is, empty if there is one of each only."""
    return _prefix(place.platform) + (f"[{place.stage}/{place.stages}] " if place.stages > 1 else "")


def around(file: Containerfile, place: StepPlace) -> list[str]:
    """Return the lines of the Containerfile that show where a step is, none for one that an image brings."""
    if not place.line:
        return []
    piece, end = origins.piece_of(file.pieces, place.line)
    first, last = (line - piece.line + piece.there for line in (place.line, place.end_line))
    return excerpt(piece.name, file.rows[piece.line - 1 : end], first, last, piece.there)


def committing(image: Image, options: BuildOptions, mark: str = "") -> list[str]:
    """Return the lines that say what an image is called; `mark` says of which stage it is."""
    first = f"{mark or _prefix(options.shown_platform)}COMMIT {options.names[0] if options.names else ''}".rstrip()
    return [first, f"--> {image.id[:SHORT]}", *tagging(options.names)]


def tagging(names: Sequence[str]) -> list[str]:
    """Return the lines that say which names something has got."""
    return [f"Successfully tagged {tag_name(name)}" for name in names]


def _prefix(platform: str) -> str:
    return f"[{platform}] " if platform else ""


class Shown(Watcher, Protocol):
    """Who shows a build to its end."""

    def tagged(self, names: Sequence[str]) -> None:
        """Show names that something has got."""


class Lines:
    """Prints what happens; with `quiet` nothing but what failing programs say.

    Where stages go on side by side, each line says of which one it is, and is printed when it is whole.
    """

    def __init__(self, file: Containerfile, *, quiet: bool) -> None:
        self._file = file
        self._quiet = quiet
        self._last = ""  # the mark of the stage that becomes the image
        self._kept: dict[int, KeptOutput] = {}  # by stage: what the program has said so far
        self._begun: dict[tuple[int, int], bytes] = {}  # by stage and stream: a line that is not whole

    def _print(self, text: str) -> None:
        if not self._quiet:
            print(text, flush=True)

    def begin(self, place: StepPlace) -> None:
        """Print the step's line."""
        self._flush(place)
        self._print(f"{stage_mark(place)}STEP {place.step}/{place.steps}: {place.text}")
        self._kept[place.stage] = KeptOutput()
        self._last = stage_mark(place) if place.is_last else self._last

    def cached(self, place: StepPlace, identity: str) -> None:
        """Print that nothing needs to be done."""
        self._print(f"{_mark(place)}--> Using cache {identity}")

    def output(self, place: StepPlace, stream: int, data: bytes) -> None:
        """Pass on what the program says."""
        if self._quiet:
            self._kept[place.stage].add(stream, data)
        elif place.beside:
            self._whole_lines(place, stream, data)
        else:
            write(stream, data)

    def _whole_lines(self, place: StepPlace, stream: int, data: bytes) -> None:
        """Print the lines that are whole; the rest waits for more."""
        text = self._begun.pop((place.stage, stream), b"") + data
        whole, _, rest = text.rpartition(b"\n")
        if len(rest) > _LONGEST:
            whole, rest = text, b""
        if rest:
            self._begun[place.stage, stream] = rest
        if whole or len(rest) < len(text):
            mark = _mark(place).encode()
            write(stream, b"".join(b"%s%s\n" % (mark, line) for line in whole.split(b"\n")))

    def _flush(self, place: StepPlace) -> None:
        """Print the last line of a program that did not end it."""
        for stream in (1, 2):
            rest = self._begun.pop((place.stage, stream), b"")
            if rest:
                write(stream, _mark(place).encode() + rest + b"\n")

    def end(self, place: StepPlace, identity: str) -> None:
        """Print the ID; after the last step, the image's own name goes before."""
        self._flush(place)
        if not place.is_last and (place.step > 1 or place.steps == 1):
            self._print(f"{_mark(place)}--> {identity[:SHORT]}")

    def failed(self, place: StepPlace) -> None:
        """Print what was kept back, and which lines of the Containerfile it is."""
        self._flush(place)
        self._kept[place.stage].print()
        for line in around(self._file, place):
            print(line, file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        """Print a line."""
        self._print(text)

    def warn(self, text: str) -> None:
        """Print a warning."""
        print(f"WARNING: {text}", file=sys.stderr, flush=True)

    def tick(self) -> int | None:
        """Nothing changes with time alone."""
        return None

    def committed(self, image: Image, options: BuildOptions) -> None:
        """Print what the image is called."""
        for line in committing(image, options, self._last):
            self._print(line)

    def tagged(self, names: Sequence[str]) -> None:
        """Print names that something has got."""
        for line in tagging(names):
            self._print(line)


def _mark(place: StepPlace) -> str:
    """Return what says of which stage a line is where that is not clear from the lines before."""
    return stage_mark(place) if place.beside else ""


@contextmanager
def shown(file: Containerfile, progress: str, *, quiet: bool) -> Iterator[Shown]:
    """Yield who shows a build: live on a terminal, else in lines. Raises PodError."""
    if progress not in MODES:
        raise PodError(f'unknown progress type "{progress}"', hint=f"choose {', '.join(MODES[:-1])} or {MODES[-1]}")
    quiet = quiet or progress == "quiet"
    terminal = _has_terminal(sys.stderr)
    if progress == "tty" and not terminal:
        raise PodError("--progress tty: stderr is not a terminal", hint="--progress plain prints lines anywhere")
    if quiet or not (progress == "tty" or (progress == "auto" and terminal and _has_terminal(sys.stdout))):
        yield Lines(file, quiet=quiet)
        return
    from pod.cli.live import Live
    from pod.cli.screen import Screen

    live = Live(file, Screen(sys.stderr, colours=not environ.value("NO_COLOR")))
    try:
        yield live
    finally:
        live.close()


def _has_terminal(stream: TextIO | None) -> bool:
    """Tell whether a stream is a terminal on which the cursor can be moved."""
    return stream is not None and stream.isatty() and environ.value("TERM") not in ("", "dumb")
