"""Additional contexts: what `--build-context NAME=VALUE` says. Pure. Source: podman-build(1)."""

from __future__ import annotations

from dataclasses import dataclass

from pod.errors import PodError

_IMAGES = ("docker-image://", "container-image://", "docker://")
_LAYOUT = "oci-layout://"


@dataclass(frozen=True)
class NamedContext:
    """An additional context: one of an image's name, the place of an OCI layout, or what `opening` opens."""

    name: str
    image: str = ""
    layout: str = ""
    opened: str = ""


def parse(text: str) -> NamedContext:
    """Read one value of the flag. Raises PodError for what is no context with a name."""
    name, sign, value = text.partition("=")
    if not sign or not name or not value:
        raise PodError(
            f'invalid value "{text}" for --build-context: it must be of the form name=value',
            hint="write NAME=DIRECTORY, NAME=ADDRESS or NAME=docker-image://IMAGE",
        )
    for prefix in _IMAGES:
        if value.startswith(prefix):
            return _complete(NamedContext(name, image=value.removeprefix(prefix)), text)
    if value.startswith(_LAYOUT):
        return _complete(NamedContext(name, layout=value.removeprefix(_LAYOUT)), text)
    return NamedContext(name, opened=value)


def _complete(context: NamedContext, text: str) -> NamedContext:
    if not context.image and not context.layout:
        raise PodError(f'invalid value "{text}" for --build-context: it names no image')
    return context
