"""Where images are besides registries and the store: what `TRANSPORT:REST` means, opened for reading or for writing.

Source: containers-transports(5).
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pod.errors import PodError
from storage import documents, reference
from storage.transports import docker_archive, oci
from storage.transports.files import Folder
from storage.transports.outputs import file_output

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pod.config import Config
    from storage.store import Store
    from storage.transports.docker_archive import Item
    from storage.transports.files import Files
    from storage.transports.outputs import Output
    from storage.transports.protocols import Destination, Origin

REGISTRY = "docker"
STORE = "containers-storage"
_FILES = ("dir", "docker-archive", "oci", "oci-archive")
_KNOWN = (*_FILES, "docker-daemon", STORE)
# Podman's others, which need libraries that it is mostly built without.
_REFUSED = ("atomic", "ostree", "sif", "tarball")
_DOCKER_SOCKET = "/var/run/docker.sock"


@dataclass(frozen=True)
class Place:
    """An image by its transport; `path` is a file, or a directory, and in it the image of this name or number.

    With docker-daemon and containers-storage there is only a name.
    """

    transport: str
    path: str = ""
    name: str = ""
    number: int | None = None

    def __str__(self) -> str:
        chosen = self.name if self.number is None else f"@{self.number}"
        parts = [self.transport, *([self.path] if self.path else []), *([chosen] if chosen else [])]
        return ":".join(parts)


@dataclass(frozen=True)
class Found:
    """An image that can be copied in, and the full names that it is to get."""

    origin: Origin
    names: tuple[str, ...]


def is_named(text: str) -> bool:
    """Tell whether a text begins with a transport other than that of registries."""
    transport, colon, _ = text.partition(":")
    return bool(colon) and transport in (*_KNOWN, *_REFUSED)


def parse(text: str) -> Place:
    """Read `TRANSPORT:REST`. Raises PodError for what the transport does not know, and for those of registries."""
    transport, _, rest = text.partition(":")
    if transport not in _KNOWN:
        raise PodError(f"the transport {transport} is not supported", hint=f"choose one of {', '.join(_KNOWN)}")
    if transport == STORE:
        if not rest or rest.startswith("["):
            raise PodError(f"invalid source {text}: the store is always that of this user")
        return Place(transport, name=rest)
    if transport == "docker-daemon":
        return Place(transport, name=_daemon_name(rest))
    if transport == "dir":
        path, chosen = rest, ""
    else:
        path, _, chosen = rest.partition(":")
    if not path:
        raise PodError(f'invalid source "{text}": no path is given')
    if chosen.startswith("@"):
        return Place(transport, path, number=_number(text, chosen))
    return Place(transport, path, _archive_name(chosen) if transport == "docker-archive" and chosen else chosen)


@contextmanager
def opened(config: Config, place: Place) -> Iterator[Found]:
    """Open the image of a place for reading; an image of a docker-archive may have several names."""
    files = _files(config, place)
    try:
        yield _found(files, place)
    finally:
        files.close()


@contextmanager
def loaded(config: Config, path: str | None) -> Iterator[list[Found]]:
    """Open all images of a directory or an archive, of whichever kind it is; None is stdin."""
    files = _unknown(config, path)
    try:
        # What comes through a pipe has no place that a policy could name.
        yield _all(files, "" if path is None else files.path)
    finally:
        files.close()


@contextmanager
def destination(store: Store, place: Place, names: Sequence[str] = ()) -> Iterator[Destination]:
    """Open a place for one image to be written to, by `copy_out` for example; nothing shows unless that finishes.

    What is left unfinished by a process that is killed is known to the store, whose collector removes it.

    `names` are the full names that the image gets in a docker-archive, where the place itself says none.
    """
    if place.number is not None:
        raise PodError(f"{place}: only images that are there already have numbers")
    if place.transport == "dir":
        from storage.transports.directory_destination import DirectoryDestination

        target: Destination = DirectoryDestination(place.path, store)
    elif place.transport in ("oci", "oci-archive"):
        from storage.transports.oci_destination import ArchiveLayout, FolderLayout, OciDestination

        layout = (
            FolderLayout(place.path, store)
            if place.transport == "oci"
            else ArchiveLayout(file_output(place.path, store))
        )
        target = OciDestination(layout, place.name)
    elif place.transport in ("docker-archive", "docker-daemon"):
        target = _single(store, place, names)
    else:
        raise PodError(f"{place.transport}: images cannot be written there")
    try:
        yield target
    finally:
        target.close()


def archive_output(store: Store, path: str) -> Output:
    """Open the file of a new docker-archive; one that has something in it is not written to."""
    try:
        taken = os.path.isfile(path) and os.path.getsize(path) > 0
    except OSError:
        taken = False
    if taken:
        raise PodError(
            "docker-archive doesn't support modifying existing images",
            hint=f"remove {path} first, or name another file",
        )
    return file_output(path, store)


def _single(store: Store, place: Place, names: Sequence[str]) -> Destination:
    from storage.transports.docker_archive_destination import SingleArchiveDestination

    if place.transport == "docker-archive":
        return SingleArchiveDestination(
            archive_output(store, place.path), (place.name,) if place.name else tuple(names)
        )
    from storage.transports.daemon import DaemonOutput

    return SingleArchiveDestination(DaemonOutput(daemon_socket()), _daemon_names(place.name) or tuple(names))


def temporary_directory(config: Config) -> str:
    """Return where archives are kept that cannot be read as they are (containers.conf: image_copy_tmp_dir)."""
    chosen = os.environ.get("TMPDIR") or config.engine.get("image_copy_tmp_dir")
    if chosen == "storage":
        return f"{config.graphroot}/staging"
    return chosen if isinstance(chosen, str) and chosen else "/var/tmp"


def daemon_socket() -> str:
    """Return the socket of the docker daemon (DOCKER_HOST)."""
    host = os.environ.get("DOCKER_HOST")
    if not host:
        return _DOCKER_SOCKET
    if not host.startswith("unix://"):
        raise PodError(f"DOCKER_HOST={host}: only unix sockets are supported")
    return host.removeprefix("unix://")


def _files(config: Config, place: Place) -> Files:
    if place.transport in ("dir", "oci"):
        return Folder(place.path)
    if place.transport == "docker-daemon":
        from storage.transports import daemon

        return daemon.fetch(daemon_socket(), place.name, temporary_directory(config))
    from storage.transports.spool import open_archive

    return open_archive(place.path, temporary_directory(config))


def _found(files: Files, place: Place) -> Found:
    """Find the one image that is meant among the files."""
    if place.transport == "dir":
        return _of_directory(files)
    if place.transport in ("oci", "oci-archive"):
        chosen = oci.choose(oci.listed(files), files.path, name=place.name, number=place.number)
        return _of_layout(files, place.transport, chosen, files.path)
    items = docker_archive.items(files)
    if place.transport == "docker-daemon":
        origin = docker_archive.DockerArchiveOrigin(
            files, docker_archive.choose(items, files.path), transport=place.transport, scope=place.name
        )
        return Found(origin, _daemon_names(place.name))
    item = docker_archive.choose(items, files.path, name=place.name, number=place.number)
    return _of_archive(files, item, (place.name,) if place.name else item.names)


def _unknown(config: Config, path: str | None) -> Files:
    from storage.transports.archive import NotTarError
    from storage.transports.spool import archive_of, open_archive

    if path is not None and os.path.isdir(path):
        return Folder(path)
    try:
        if path is None:
            return archive_of(0, "stdin", temporary_directory(config))
        return open_archive(path, temporary_directory(config))
    except NotTarError as error:
        raise PodError(f"payload does not match any of the supported image formats: {error}") from error


def _all(files: Files, scope: str) -> list[Found]:
    if isinstance(files, Folder):
        if files.has("index.json"):
            return [_of_layout(files, "oci", one, scope) for one in oci.listed(files)]
        if files.has("manifest.json"):
            return [_of_directory(files)]
    elif files.has("manifest.json") or files.has("repositories"):
        # Docker 25 and later write a layout too; only the other list has the whole names.
        return [_of_archive(files, item, item.names) for item in docker_archive.items(files)]
    elif files.has("index.json"):
        return [_of_layout(files, "oci-archive", one, scope) for one in oci.listed(files)]
    raise PodError(
        f"{files.path}: payload does not match any of the supported image formats: it has neither an index.json nor a"
        " manifest.json",
        hint="the tar of a root file system is read by `pod import`",
    )


def _of_directory(files: Files) -> Found:
    from storage.transports.directory import DirectoryOrigin

    return Found(DirectoryOrigin(files), ())


def _of_layout(files: Files, transport: str, descriptor: documents.Descriptor, scope: str) -> Found:
    name = oci.name_of(descriptor)
    names = (docker_archive.full_name(name, "localhost"),) if name else ()
    return Found(oci.OciOrigin(files, transport, descriptor, scope), names)


def _of_archive(files: Files, item: Item, names: tuple[str, ...]) -> Found:
    return Found(docker_archive.DockerArchiveOrigin(files, item), names)


def _number(text: str, chosen: str) -> int:
    digits = chosen[1:]
    if not (digits.isascii() and digits.isdigit() and len(digits) < 10):
        raise PodError(f'invalid source "{text}": {chosen} is not the number of an image')
    return int(digits)


def _archive_name(text: str) -> str:
    name = reference.normalize(text)
    if name.digest is not None:
        raise PodError(f"docker-archive doesn't support digest references: {text}")
    return str(name)


def _daemon_name(text: str) -> str:
    """Check the name of an image at a daemon: it has a tag, or is an ID."""
    if text.startswith("sha256:"):
        documents.check_digest_syntax(text)
        return text
    name = reference.parse(text)
    if name.tag is None and name.digest is None:
        raise PodError(f"docker-daemon: reference {text} has neither a tag nor a digest")
    if name.tag is not None and name.digest is not None:
        raise PodError(f"docker-daemon: reference {text} has both a tag and a digest")
    return str(name)


def _daemon_names(name: str) -> tuple[str, ...]:
    return () if name.startswith("sha256:") or "@" in name else (name,)
