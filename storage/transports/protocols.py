"""What a place offers that an image is read from, or written to; digests and documents are checked by the caller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from storage.documents import Descriptor


class Origin(Protocol):
    """One image, or the index of several, where it is read from: at a registry, in a directory, in an archive."""

    @property
    def transport(self) -> str:
        """The transport's name, as in policy.json (docker, oci, docker-archive and so on)."""

    @property
    def scope(self) -> str:
        """What is named within the transport, as in policy.json: docker.io/library/busybox:latest, /a/directory."""

    def manifest(self, digest: str | None = None) -> tuple[bytes, str, str]:
        """Give raw bytes, content type ("" if unknown) and digest of what is named, or of a part of it by its digest.

        Bytes asked for by digest have that digest.
        """

    def blob(self, descriptor: Descriptor) -> bytes:
        """Give a small blob whole, verified; CorruptError if it is larger than a document may be."""

    def open_blob(self, descriptor: Descriptor, *, offset: int = 0) -> Iterator[bytes]:
        """Yield a blob from offset on, in chunks of at most about 256 KiB; the digest is the caller's to verify."""

    def fresh(self) -> Self:
        """Give the same for use after a fork: nothing open is shared with this one."""

    def close(self) -> None:
        """Free what is open."""


class Destination(Protocol):
    """Where one image is written to; it shows there only once `finish` was called.

    The order is: layers and config, the manifests of an index, then what is named. Leaving without `finish` leaves
    nothing that shows.
    """

    @property
    def manifest_types(self) -> tuple[str, ...]:
        """The media types of manifests that it takes, the best first."""

    @property
    def plain_layers(self) -> bool:
        """Whether layers must be uncompressed tars (docker-archive)."""

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Tell whether a blob is there already, or could be brought there without sending it."""

    def put_blob(self, descriptor: Descriptor, chunks: Iterator[bytes]) -> None:
        """Write a blob whose digest and size are known; CorruptError if the chunks are something else."""

    def put_manifest(self, raw: bytes, media_type: str, digest: str) -> None:
        """Write a manifest that an index names, by its digest."""

    def finish(self, raw: bytes, media_type: str) -> None:
        """Write the manifest or index that is to be named, and make the image visible in one step."""

    def close(self) -> None:
        """Free what is open, and take back what was not finished."""


@runtime_checkable
class SharedDestination(Destination, Protocol):
    """A destination that several processes may write blobs to at once: a registry."""

    def fresh(self) -> Self:
        """Give the same for use after a fork: nothing open is shared with this one."""

    def send_blob(self, descriptor: Descriptor, open_at: Callable[[int], Iterator[bytes]]) -> None:
        """Write a blob that can be read again from any offset, for when a connection breaks."""
