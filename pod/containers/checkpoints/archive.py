"""Checkpoints that leave the container: an archive, or an image of the same content.

Source: podman-container-checkpoint(1).

The archive is laid out as podman's: `checkpoint/` (or `pre-checkpoint/`), `rootfs-diff.tar`, `volumes/NAME.tar`, and
`config.dump`, which is in our own words, so that neither takes the other's archives.
"""

from __future__ import annotations

import json
import os
import tarfile
import time
from typing import TYPE_CHECKING, Any

from pod import __version__, state, volumes
from pod.containers.checkpoints.checkpointed import IMAGES, PREVIOUS
from pod.errors import ContainerNotFoundError, PodError
from runtime.moments import from_seconds, shortest
from storage import images
from storage.committer import Draft, commit_layer
from storage.errors import ImageNotFoundError
from storage.images import tag_name
from storage.layers.write import WriteOptions, tar_of
from storage.platform import host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO

    from pod.engine import Engine
    from pod.state import Container

COMPRESSIONS = ("none", "gzip", "zstd")
DUMP, CHANGES, VOLUMES = "config.dump", "rootfs-diff.tar", "volumes"
ANNOTATIONS = "io.podman.annotations.checkpoint."
_CHUNK = 1 << 20


def check_compression(name: str) -> None:
    """Raise PodError unless the name is empty or that of a compression."""
    if name and name not in COMPRESSIONS:
        raise PodError(
            f'selected compression algorithm ("{name}") not supported. Please select one from: gzip, none, zstd'
        )


def is_image(engine: Engine, name: str) -> bool:
    """Tell whether a word means a checkpoint image, and no container."""
    try:
        state.find_container(engine.connection, name)
        return False
    except ContainerNotFoundError:
        pass
    try:
        return f"{ANNOTATIONS}name" in annotations_of(images.resolve(engine.store, name))
    except ImageNotFoundError:
        return False


def annotations_of(image: images.Image) -> dict[str, str]:
    """Return the annotations of an image's manifest."""
    found: dict[str, str] = json.loads(image.manifest).get("annotations") or {}
    return found


def exporter(
    engine: Engine,
    container: Container,
    *,
    path: str = "",
    image: str = "",
    compression: str = "zstd",
    rootfs: bool = True,
    include_volumes: bool = True,
) -> Callable[[str], None]:
    """Return what makes an archive, an image or both of complete images of CRIU's, given their directory."""
    reference = tag_name(image) if image else None

    def export(directory: str) -> None:
        with engine.store.staging() as staging:
            parts = _parts(engine, container, staging.path, rootfs=rootfs, include_volumes=include_volumes)
            if path:
                _write(path, directory, parts, container, compression)
            if reference is not None:
                whole = f"{staging.path}/archive"
                with open(whole, "xb") as file:
                    _fill(file, directory, parts, container)
                _make_image(engine, container, whole, reference)

    return export


def _parts(
    engine: Engine, container: Container, directory: str, *, rootfs: bool, include_volumes: bool
) -> dict[str, str]:
    """Write the tars that go into the archive; return their paths by their names in it."""
    parts = {}
    if rootfs and not container.config["rootfs"]:
        upper = f"{engine.config.container_dir(container.id)}/upper"
        parts[CHANGES] = _tar(upper, f"{directory}/{CHANGES}", layer=True)
    mounted = [mount["source"] for mount in container.config["mounts"] if mount["type"] == "volume"]
    for name in sorted(set(mounted)) if include_volumes else ():
        parts[f"{VOLUMES}/{name}.tar"] = _tar(volumes.path(engine.config, name), f"{directory}/{name}.tar", layer=False)
    return parts


def _tar(tree: str, path: str, *, layer: bool) -> str:
    root = os.open(tree, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        with open(path, "xb", buffering=0) as file:
            for data in tar_of(root, WriteOptions(layer=layer)):
                _write_all(file.fileno(), data)
    finally:
        os.close(root)
    return path


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _write(path: str, directory: str, parts: dict[str, str], container: Container, compression: str) -> None:
    """Write the archive; a file that is there is replaced by a complete one."""
    place = os.path.dirname(os.path.abspath(path))
    temporary = f"{place}/.{os.path.basename(path)}.{os.getpid()}"
    try:
        with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            with _compressor(file, compression) as compressed:
                _fill(compressed, directory, parts, container)
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except OSError as error:
        raise PodError(f"error exporting checkpoint to {path}: {(error.strerror or str(error)).lower()}") from error
    finally:
        try:
            os.unlink(temporary)
        except FileNotFoundError:
            pass


def _compressor(file: IO[bytes], name: str) -> Any:
    if name == "gzip":
        import gzip

        return gzip.GzipFile(fileobj=file, mode="wb", compresslevel=6)
    if name == "zstd":
        import zstandard

        return zstandard.ZstdCompressor().stream_writer(file, closefd=False)
    from contextlib import nullcontext

    return nullcontext(file)


def _fill(file: IO[bytes], directory: str, parts: dict[str, str], container: Container) -> None:
    """Write the tar of all that belongs to a checkpoint."""
    import io

    name = PREVIOUS if directory.endswith(f"/{PREVIOUS}") else IMAGES
    with tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        dump = json.dumps(_document(container)).encode()
        entry = tarfile.TarInfo(DUMP)
        entry.size, entry.mode, entry.mtime = len(dump), 0o600, int(time.time())
        archive.addfile(entry, io.BytesIO(dump))
        archive.add(directory, name)
        for part, path in parts.items():
            archive.add(path, part)


def _document(container: Container) -> dict[str, Any]:
    return {
        "engine": f"pod {__version__}",
        "id": container.id,
        "name": container.name,
        "auto_remove": container.auto_remove,
        "config": container.config,
    }


def _make_image(engine: Engine, container: Container, path: str, reference: str) -> None:
    now = time.time()
    created = shortest(from_seconds(now))
    platform = host()
    config = {"created": created, "architecture": platform.architecture, "os": platform.os, "config": {}}
    history = {"created": created, "created_by": f"pod container checkpoint {container.name}"}
    release = os.uname()
    told = {
        "name": container.name,
        "rawImageName": container.config["image_name"],
        "rootfsImageID": container.image,
        "rootfsImageName": container.config["image_name"],
        "podman.version": __version__,
        "runtime.name": "pod-runtime",
        "host.arch": platform.architecture,
        "host.kernel": release.release,
        "cgroups.version": "v2" if os.path.exists("/sys/fs/cgroup/cgroup.controllers") else "v1",
    }
    annotations = {f"{ANNOTATIONS}{key}": value for key, value in told.items()}
    draft = Draft(config, now, annotations=annotations)
    commit_layer(engine.store, _chunks(path), draft, lambda _: history, reference=reference)


def _chunks(path: str) -> Iterator[bytes]:
    with open(path, "rb", buffering=0) as file:
        while data := file.read(_CHUNK):
            yield data
