"""What a command offers to show how the copying of images goes on; it alone knows of terminals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from storage.transfer import Progress


class Shown(Protocol):
    """Who shows how it goes on."""

    @property
    def progress(self) -> Progress:
        """What storage is told to report to."""

    def begin(self, name: str) -> None:
        """Announce an image."""

    def end(self, image_id: str) -> None:
        """Tell that an image is there."""

    def note(self, text: str) -> None:
        """Tell something else."""

    def warn(self, text: str) -> None:
        """Tell what the user is to know even if nothing is to be shown."""
