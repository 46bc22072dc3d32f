"""Containers made from a checkpoint that an archive or an image holds.

The archive's own words are not trusted where they name places: only members of the names that we write are taken, as
plain files, into a directory that nobody sees yet.
"""

from __future__ import annotations

import json
import os
import tarfile
import time
from typing import TYPE_CHECKING, Any

from pod import names, state, volumes
from pod.containers import inserting, remove
from pod.containers.checkpoints import checkpoint as checkpoints
from pod.containers.checkpoints.archive import CHANGES, DUMP, VOLUMES
from pod.containers.checkpoints.checkpointed import IMAGES, PREVIOUS, RECORD
from pod.containers.inside.files import write_file
from pod.errors import PodError
from pod.lock import ContainerLock
from runtime import jsontext
from storage import gc, images
from storage.compression import inflate
from storage.errors import CorruptError, ImageNotFoundError
from storage.layers.erofs.mounting import Opened
from storage.layers.unpacking import UnpackOptions
from storage.layers.worker import fork_unpack
from storage.layers.write import tar_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from pod.containers.checkpoints.checkpoint import Options, Report
    from pod.engine import Engine
    from pod.state import Container

_CHUNK = 1 << 20
_LARGEST_DUMP = 16 << 20
_PARENT = f"../{PREVIOUS}"


def restore(
    engine: Engine,
    *,
    archive: str = "",
    image: str = "",
    previous: str = "",
    name: str = "",
    options: Options,
    rootfs: bool = True,
    include_volumes: bool = True,
) -> tuple[Container, Report]:
    """Make a container of an archive or an image, and let it go on; what fails leaves none."""
    with engine.store.staging() as staging:
        source = _of_image(engine, image) if image else _read(archive)
        _unpack(source, staging.path, archive or image)
        if previous:
            _unpack(_read(previous), staging.path, previous, only=PREVIOUS)
        document = _document(staging.path, archive or image)
        container = _container(engine, document, name)
        contents = _volumes(engine, container, staging.path) if include_volumes else {}
        with ContainerLock(engine.config, container.id):
            _make(engine, container, staging.path, rootfs=rootfs)
        try:
            for volume, tar in contents.items():
                _fill_volume(engine, volume, tar)
            return container, checkpoints.restore(engine, container, options)
        except BaseException:
            remove.forget(engine, container, volumes=True)
            raise


def _read(path: str) -> Iterator[bytes]:
    try:
        with open(path, "rb", buffering=0) as file:
            while data := file.read(_CHUNK):
                yield data
    except OSError as error:
        raise PodError(
            f"failed to open checkpoint archive {path} for import: {(error.strerror or '').lower()}"
        ) from error


def _of_image(engine: Engine, name: str) -> Iterator[bytes]:
    found = images.resolve(engine.store, name)
    row = engine.connection.execute("SELECT layer FROM image_layer WHERE image = ?", (found.id,)).fetchone()
    with Opened([engine.store.lower(row[0])]) as (directory,):
        root = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield from tar_of(root)
        finally:
            os.close(root)


class _Pieces:
    """A file to read, of the pieces of a stream."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = b""

    def read(self, size: int) -> bytes:
        """Return as many bytes, fewer at the end."""
        parts, wanted = [], size
        while wanted:
            if not self._left:
                self._left = next(self._pieces, b"")
                if not self._left:
                    break
            parts.append(self._left[:wanted])
            self._left = self._left[wanted:]
            wanted -= len(parts[-1])
        return b"".join(parts)


def _unpack(chunks: Iterator[bytes], directory: str, what: str, only: str = "") -> None:
    """Write the members that a checkpoint has into a directory."""
    for name in (IMAGES, PREVIOUS, VOLUMES):
        os.makedirs(f"{directory}/{name}", 0o700, exist_ok=True)
    try:
        with tarfile.open(fileobj=_Pieces(inflate(chunks)), mode="r|") as archive:  # type: ignore[call-overload]
            for member in archive:
                path = os.path.normpath(member.name)
                above, _, last = path.rpartition("/")
                if only and above != only:
                    continue
                if member.issym() and (above, last, member.linkname) == (IMAGES, "parent", _PARENT):
                    os.symlink(_PARENT, f"{directory}/{path}")
                elif member.isreg() and (above in (IMAGES, PREVIOUS, VOLUMES) or path in (DUMP, CHANGES)):
                    _write(archive.extractfile(member), f"{directory}/{path}")
    except (tarfile.TarError, CorruptError, EOFError) as error:
        raise PodError(f"{what} is not a checkpoint archive: {error}") from error


def _write(source: IO[bytes] | None, path: str) -> None:
    assert source is not None
    with open(path, "xb") as file:
        while data := source.read(_CHUNK):
            file.write(data)


def _document(directory: str, what: str) -> dict[str, Any]:
    try:
        with open(f"{directory}/{DUMP}", encoding="utf-8") as file:
            document: dict[str, Any] = json.loads(file.read(_LARGEST_DUMP))
        if isinstance(document["config"], dict) and str(document["engine"]).startswith("pod "):
            return document
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise PodError(
        f"{what} is not a checkpoint archive that pod made",
        hint="an archive of podman's is for `podman container restore`",
    )


def _container(engine: Engine, document: dict[str, Any], name: str) -> Container:
    """Return the container that is to be: the one that was saved, or with a new name another one."""
    config = document["config"]
    if config.get("id_map") is not None:
        raise PodError("a container with a user namespace of its own cannot be made from a checkpoint archive")
    identity = names.new_id() if name else str(document["id"])
    if len(identity) != 64 or identity.strip("0123456789abcdef"):
        raise PodError(f"the checkpoint archive names no container: {identity[:80]!a}")
    if state.has_container(engine.connection, identity):
        raise PodError(
            f"container with ID {identity} already exists: container already exists",
            hint="remove it first, or give the restored one a name of its own with --name",
        )
    if config.get("image"):
        _check_image(engine, config)
    created = time.time()
    chosen = names.check_name(name or str(document["name"]))
    row = (identity, chosen, config["image"], created, int(bool(document["auto_remove"])), "", jsontext.dumps(config))
    return state.Container(row)


def _check_image(engine: Engine, config: dict[str, Any]) -> None:
    try:
        images.load(engine.store, config["image"])
    except ImageNotFoundError:
        name = config["image_name"]
        raise PodError(
            f"the image {name} ({config['image'][:12]}) of the checkpoint is not in local storage: image not known",
            hint=f"pod pull {name}",
        ) from None


def _volumes(engine: Engine, container: Container, directory: str) -> dict[str, str]:
    """Return the tars of the volumes that will be new, by their names. Raises PodError for one that is there."""
    wanted = {mount["source"] for mount in container.config["mounts"] if mount["type"] == "volume"}
    found = {}
    for file in os.listdir(f"{directory}/{VOLUMES}"):
        volume = file.removesuffix(".tar")
        if volume not in wanted:
            continue
        if state.has_volume(engine.connection, names.check_name(volume)):
            raise PodError(
                f"volume with name {volume} already exists. Use --ignore-volumes to not restore content of volumes"
            )
        found[volume] = f"{directory}/{VOLUMES}/{file}"
    return found


def _make(engine: Engine, container: Container, directory: str, *, rootfs: bool) -> None:
    """Put the container's files in place, then add its row; the caller holds its lock."""
    target = engine.config.container_dir(container.id)
    try:
        inserting.make_directories(engine, container.id)
        if rootfs and os.path.exists(f"{directory}/{CHANGES}"):
            _unpack_tar(f"{directory}/{CHANGES}", f"{directory}/changes")
            os.rmdir(f"{target}/upper")
            os.rename(f"{directory}/changes/diff", f"{target}/upper")
        for name in (IMAGES, PREVIOUS):
            if os.listdir(f"{directory}/{name}"):
                os.rename(f"{directory}/{name}", f"{target}/{name}")
        write_file(f"{target}/{RECORD}", jsontext.dumps({"checkpointed": time.time()}))
        inserting.insert(engine, container, needs=[])
    except BaseException:
        gc.remove_tree(target)
        raise


def _unpack_tar(path: str, directory: str) -> None:
    """Unpack a tar as a layer is: confined to its directory, as `diff` in it."""
    os.mkdir(directory, 0o700)
    worker = fork_unpack(lambda: _read(path), directory, options=UnpackOptions())
    try:
        worker.result()
    finally:
        worker.kill()


def _fill_volume(engine: Engine, volume: str, tar: str) -> None:
    """Put what a volume held into the new, empty one."""
    from pod.containers.copying.archive import extract
    from pod.containers.copying.tree import Policy

    place = os.open(volumes.path(engine.config, volume), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        extract(_read(tar), place, Policy(lambda uid, gid: (uid, gid)))
    finally:
        os.close(place)
