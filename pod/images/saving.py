"""Writing images of the store to archives and directories: `save`."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pod import events
from pod.errors import PodError
from pod.images import transports
from pod.images.transports import Place
from storage import images
from storage.outgoing import image as outgoing
from storage.transports.outputs import StreamOutput, file_output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from pod.engine import Engine
    from pod.images.showing import Shown
    from storage.images import Image
    from storage.store import Store
    from storage.transports.outputs import Output
    from storage.transports.protocols import Destination

FORMATS = ("oci-dir", "oci-archive", "docker-dir", "docker-archive")
_STDOUT = ("", "-", "/dev/stdout")


@dataclass(frozen=True)
class Saving:
    """What is asked of a `save`; `output` is "" for stdout, and with `several` each text means an image of its own."""

    output: str = ""
    format: str = "docker-archive"
    several: bool = False
    compress: bool = False
    uncompressed: bool = False
    signature_policy: str = ""

    def check(self, texts: Sequence[str]) -> None:
        """Raise PodError for what makes no sense."""
        if self.format not in FORMATS:
            raise PodError(f"format value must be one of {' '.join(FORMATS)}")
        if self.compress and self.format != "docker-dir":
            raise PodError("--compress can only be set when --format is 'docker-dir'")
        if self.several and len(texts) > 1 and self.format != "docker-archive":
            raise PodError(f'unsupported format "{self.format}" for saving multiple images (only docker-archive)')
        if ":" in self.output:
            raise PodError(f"invalid filename (should not contain ':') \"{self.output}\"")
        if self.format.endswith("-dir") and self.to_stdout:
            raise PodError(f"the format {self.format} is a directory: name one with --output")

    @property
    def to_stdout(self) -> bool:
        """Whether the archive goes to stdout."""
        return self.output in _STDOUT

    @property
    def compression(self) -> str | None:
        """How layers are compressed; None as each of them was."""
        if self.format == "docker-dir":
            return "gzip" if self.compress else "none"
        return "none" if self.uncompressed else None


@dataclass(frozen=True)
class _Chosen:
    image: Image
    names: tuple[str, ...]


def save(
    engine: Engine, texts: Sequence[str], asked: Saving, show: Callable[[], AbstractContextManager[Shown]]
) -> None:
    """Write what the texts name; without `several` those after the first are further names of the first.

    `show` gives who shows how one image goes on. What fails leaves no file; raises PodError and StorageError.
    """
    asked.check(texts)
    if asked.signature_policy:
        _check_policy(asked.signature_policy)
    chosen = _chosen(engine, texts, several=asked.several)
    request = outgoing.Request("v2s2" if asked.format.startswith("docker") else "oci", asked.compression)
    with _destinations(engine.store, asked) as destination_for:
        for one in chosen:
            with show() as shown, destination_for(one) as destination:
                if len(one.names) > 1 and asked.format != "docker-archive":
                    shown.note(f"{asked.format} keeps one name only: {one.names[0]}")
                outgoing.copy_out(engine.store, one.image, destination, request, shown.progress)
                shown.end(one.image.id)
    for one in chosen:
        name = asked.output or "stdout"
        events.record(engine.config, "image", "save", id=one.image.id, name=name)


def _check_policy(path: str) -> None:
    """Raise PodError unless the policy that the user names lets images out of the store."""
    from storage.trust import policy

    if any(not isinstance(one, policy.AcceptAnything) for one in policy.load(path).requirements(transports.STORE, "")):
        raise PodError(f"Source image rejected: {path} lets no image out of {transports.STORE}")


def _chosen(engine: Engine, texts: Sequence[str], *, several: bool) -> list[_Chosen]:
    found = []
    for text in texts if several else texts[:1]:
        image_id, name = images.find(engine.store, text)
        names = (name,) if name is not None and "@" not in name else ()
        found.append(_Chosen(images.load(engine.store, image_id), names))
    if not several:
        further = tuple(images.tag_name(text) for text in texts[1:])
        found[0] = _Chosen(found[0].image, tuple(dict.fromkeys((*found[0].names, *further))))
    return found


@contextmanager
def _destinations(store: Store, asked: Saving) -> Iterator[Callable[[_Chosen], AbstractContextManager[Destination]]]:
    """Give what opens the destination of each image."""
    if asked.format != "docker-archive":
        yield lambda one: _single(store, asked, one.names)
        return
    from storage.transports.docker_archive_destination import DockerArchiveWriter

    writer = DockerArchiveWriter(_output(store, asked))

    @contextmanager
    def image(one: _Chosen) -> Iterator[Destination]:
        yield writer.image(one.names)

    try:
        yield image
        writer.finish()
    finally:
        writer.close()


@contextmanager
def _single(store: Store, asked: Saving, names: tuple[str, ...]) -> Iterator[Destination]:
    from storage.transports import oci_destination

    if asked.format == "docker-dir":
        with transports.destination(store, Place("dir", asked.output)) as destination:
            yield destination
        return
    layout = (
        oci_destination.FolderLayout(asked.output, store)
        if asked.format == "oci-dir"
        else oci_destination.ArchiveLayout(_output(store, asked))
    )
    destination = oci_destination.OciDestination(layout, names[0] if names else "")
    try:
        yield destination
    finally:
        destination.close()


def _output(store: Store, asked: Saving) -> Output:
    if asked.to_stdout:
        return StreamOutput(1, "stdout")
    if asked.format == "docker-archive":
        return transports.archive_output(store, asked.output)
    return file_output(asked.output, store)
