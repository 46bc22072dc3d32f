"""From an origin to the documents of one image: what copying it in has to make true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from storage import documents, platform
from storage.errors import CorruptError

if TYPE_CHECKING:
    from storage.documents import Descriptor, ImageConfig, Manifest, Platform
    from storage.transports.protocols import Origin
    from storage.trust.verification import Trust

_MAX_NESTED = 4


@dataclass(frozen=True)
class Source:
    """An image where it comes from; `digests` are those of its manifest and of the index that led to it, if any."""

    origin: Origin
    manifest: Manifest
    config: ImageConfig
    digests: tuple[str, ...]

    @property
    def layers(self) -> list[tuple[str, Descriptor]]:
        """DiffID and blob of each layer, from the bottom up."""
        return list(zip(self.config.diff_ids, self.manifest.layers, strict=True))


def locate(origin: Origin, wanted: Platform | None, trust: Trust) -> Source:
    """Fetch and check the documents of the image for a platform (the host's unless one is wanted).

    Raises RejectedError for one that is not trusted, of which nothing but its manifest was fetched.
    """
    raw, content_type, digest = origin.manifest()
    digests = [digest]
    document = documents.parse_manifest(raw, content_type)
    for _ in range(_MAX_NESTED):
        if isinstance(document, documents.Manifest):
            break
        chosen = platform.choose(document, wanted or platform.host())
        raw, content_type, digest = origin.manifest(chosen.digest)
        digests.append(digest)
        document = documents.parse_manifest(raw, content_type)
    if not isinstance(document, documents.Manifest):
        raise CorruptError(f"image {origin.transport}:{origin.scope}: indexes are nested too deeply")
    trust.check(origin, raw, digest)
    documents.check_image(document)
    config = documents.parse_config(origin.blob(document.config), document)
    return Source(origin, document, config, tuple(reversed(digests)))


def created(config: dict[str, Any]) -> float:
    """Read when an image was made, in seconds since 1970; 0 if the config does not say."""
    text = config.get("created")
    return seconds(text) if isinstance(text, str) else 0.0


def seconds(text: str) -> float:
    """Read an RFC 3339 time; 0 if it is none."""
    from datetime import UTC, datetime

    try:
        moment = datetime.fromisoformat(_short_fraction(text))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _short_fraction(text: str) -> str:
    """Cut nanoseconds to microseconds: datetime knows no finer."""
    whole, point, rest = text.partition(".")
    digits = len(rest) - len(rest.lstrip("0123456789"))
    return f"{whole}{point}{rest[:digits][:6].ljust(6, '0')}{rest[digits:]}" if point else text
