"""The names of stages."""

from __future__ import annotations

from pod.errors import PodError


def stage_name(text: str) -> str:
    """Return the name that follows AS as it is looked for: in small letters, and no number. Raises PodError."""
    if not text or text.isdigit():
        raise PodError(
            f'invalid name for build stage: "{text}"',
            hint="it begins with a letter and goes on with letters, digits, - _ and .",
        )
    return text.lower()
