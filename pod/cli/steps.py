"""Showing how a build goes on: podman's lines, one after the other."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from storage.images import tag_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pod.build.options import BuildOptions
    from pod.build.watching import StepPlace
    from storage.images import Image

_SHORT = 12


class Lines:
    """Prints what happens; with `quiet` nothing but what failing programs say."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._kept: dict[int, list[tuple[int, bytes]]] = {}  # by stage: what the program has said so far

    def _print(self, text: str) -> None:
        if not self._quiet:
            print(text, flush=True)

    def begin(self, place: StepPlace) -> None:
        """Print the step's line."""
        stage = f"[{place.stage}/{place.stages}] " if place.stages > 1 else ""
        self._print(f"{_prefix(place.platform)}{stage}STEP {place.step}/{place.steps}: {place.text}")
        self._kept[place.stage] = []

    def cached(self, place: StepPlace, identity: str) -> None:
        """Print that nothing needs to be done."""
        self._print(f"--> Using cache {identity}")

    def output(self, place: StepPlace, stream: int, data: bytes) -> None:
        """Pass on what the program says."""
        if self._quiet:
            self._kept[place.stage].append((stream, data))
            return
        _write(stream, data)

    def end(self, place: StepPlace, identity: str) -> None:
        """Print the ID; after the last step, the image's own name goes before."""
        if not place.is_last and (place.step > 1 or place.steps == 1):
            self._print(f"--> {identity[:_SHORT]}")

    def failed(self, place: StepPlace) -> None:
        """Print what was kept back."""
        for stream, data in self._kept[place.stage]:
            _write(stream, data)

    def warn(self, text: str) -> None:
        """Print a warning."""
        print(f"WARNING: {text}", file=sys.stderr, flush=True)

    def committed(self, image: Image, options: BuildOptions) -> None:
        """Print what the image is called."""
        self._print(f"{_prefix(options.shown_platform)}COMMIT {options.names[0] if options.names else ''}".rstrip())
        self._print(f"--> {image.id[:_SHORT]}")
        self.tagged(options.names)

    def tagged(self, names: Sequence[str]) -> None:
        """Print names that something has got."""
        for name in names:
            self._print(f"Successfully tagged {tag_name(name)}")


def _prefix(platform: str) -> str:
    return f"[{platform}] " if platform else ""


def _write(stream: int, data: bytes) -> None:
    target = sys.stdout if stream == 1 else sys.stderr
    target.flush()
    target.buffer.write(data)
    target.buffer.flush()


@contextmanager
def shown(*, quiet: bool) -> Iterator[Lines]:
    """Yield who shows a build."""
    yield Lines(quiet=quiet)
