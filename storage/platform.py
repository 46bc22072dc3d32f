"""Platforms: what this machine is, what a user asks for, and which image of an index fits."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from storage.documents import Platform as Platform
from storage.errors import ImageNotFoundError, StorageError

if TYPE_CHECKING:
    from storage.documents import Descriptor, Index

_ZSTD = "io.github.containers.compression.zstd"

# uname's, Debian's and GNU's names on the left, the image specification's (Go's) on the right.
_ARCHITECTURES = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armv8b": ("arm64", ""),
    "armv8l": ("arm", "v8"),
    "armv7l": ("arm", "v7"),
    "armhf": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "armel": ("arm", "v6"),
    "armv5tel": ("arm", "v5"),
    "i386": ("386", ""),
    "i486": ("386", ""),
    "i586": ("386", ""),
    "i686": ("386", ""),
    "loongarch64": ("loong64", ""),
}
_OSES = {"macos": "darwin"}
_KNOWN_OSES = frozenset(["linux", "windows", "darwin", "freebsd", "netbsd", "openbsd", "wasip1", "illumos", "solaris"])
_VARIANTS = {"arm": ("v8", "v7", "v6", "v5"), "arm64": ("v8",), "amd64": ("v1", "v2", "v3", "v4")}
_DESCENDING = {"arm": ("v8", "v7", "v6", "v5"), "arm64": ("v9", "v8"), "amd64": ("v4", "v3", "v2", "v1")}
_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-")


def host(machine: str | None = None) -> Platform:
    """Give the platform of this machine (or of another that `uname -m` calls so)."""
    name = (machine if machine is not None else os.uname().machine).lower()
    architecture, variant = _ARCHITECTURES.get(name, (name, ""))
    if architecture == "arm64":
        variant = "v8"
    return Platform("linux", architecture, variant)


def parse(text: str) -> Platform:
    """Read `os`, `arch`, `os/arch` or `os/arch/variant`; what is left out is this machine's."""
    parts = text.lower().split("/")
    if len(parts) > 3 or any(not part or not _CHARACTERS.issuperset(part) for part in parts):
        raise StorageError(f'invalid platform "{text}"', hint="a platform is written os/arch or os/arch/variant")
    if len(parts) == 1:
        name = _OSES.get(parts[0], parts[0])
        if name in _KNOWN_OSES:
            return Platform(name, host().architecture, host().variant)
        parts.insert(0, "linux")
    architecture, variant = _ARCHITECTURES.get(parts[1], (parts[1], ""))
    if len(parts) == 3:
        variant = parts[2] if parts[2].startswith("v") or not parts[2].isdigit() else f"v{parts[2]}"
    return Platform(_OSES.get(parts[0], parts[0]), architecture, variant)


def variants(platform: Platform) -> tuple[str, ...]:
    """List the variants that run on this platform, the best first.

    A platform with a variant runs that one and all below it; without one, an image without one is best, any will do.
    """
    if not platform.variant:
        return ("", *_VARIANTS.get(platform.architecture, ()))
    descending = _DESCENDING.get(platform.architecture, ())
    below = descending[descending.index(platform.variant) + 1 :] if platform.variant in descending else ()
    return (platform.variant, *below, "")


def choose(index: Index, platform: Platform) -> Descriptor:
    """Pick the entry of an index that fits a platform best; it may be an index itself.

    Attestations are no candidates; entries without platform come last; of equals, one packed with zstd, then the first.
    Raises ImageNotFoundError, whose hint lists what there is.
    """
    candidates = [entry for entry in index.manifests if not entry.is_attestation]
    for variant in variants(platform):
        wanted = Platform(platform.os, platform.architecture, variant)
        fitting = [entry for entry in candidates if entry.platform is not None and _clean(entry.platform) == wanted]
        if fitting:
            return next((entry for entry in fitting if entry.annotations.get(_ZSTD) == "true"), fitting[0])
    for entry in candidates:
        if entry.platform is None:
            return entry
    offered = sorted({str(entry.platform) for entry in candidates})
    raise ImageNotFoundError(
        f"no image found in image index for architecture {platform.architecture}, "
        f'variant "{platform.variant}", OS {platform.os}',
        hint=f"it has: {', '.join(offered)[:500]}" if offered else "",
    )


def _clean(platform: Platform) -> Platform:
    architecture, implied = _ARCHITECTURES.get(platform.architecture, (platform.architecture, ""))
    return Platform(platform.os, architecture, platform.variant or implied)
