"""Images in files: what is written is read again, by name, by number, whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import signal
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from storage import documents, gc
from storage.documents import Descriptor
from storage.errors import CorruptError, ImageNotFoundError, StorageError
from storage.registry.options import RegistryOptions
from storage.source import locate
from storage.store import Store, open_store
from storage.transports import docker_archive, oci
from storage.transports.archive import Archive
from storage.transports.directory import DirectoryOrigin
from storage.transports.directory_destination import DirectoryDestination
from storage.transports.docker_archive import DockerArchiveOrigin
from storage.transports.docker_archive_destination import DockerArchiveWriter, SingleArchiveDestination
from storage.transports.files import Files, Folder
from storage.transports.folder_output import FolderOutput
from storage.transports.oci import OciOrigin
from storage.transports.oci_destination import ArchiveLayout, FolderLayout, OciDestination
from storage.transports.outputs import FileOutput, StreamOutput, file_output
from storage.transports.protocols import Destination, Origin
from storage.transports.spool import open_archive
from tests.fixtures import images
from tests.fixtures.trusting import accept_anything

TRUST = accept_anything(RegistryOptions())
ONE = images.Image([images.layer(images.entry("a", b"1")), images.layer(images.entry("b", b"2"))])
TWO = images.Image([ONE.layers[0], images.layer(images.entry("c", b"3"))], {"Cmd": ["c"]})


def plain(layer: images.Layer) -> bytes:
    """Return the tar of a layer."""
    import zlib

    return zlib.decompress(layer.blob.read(), 31)


def put(destination: Destination, image: images.Image) -> None:
    """Write an image as `copy_out` does, and finish it."""
    layers = []
    for layer in image.layers:
        data = plain(layer) if destination.plain_layers else layer.blob.read()
        kind = documents.OCI_LAYER if destination.plain_layers else layer.blob.media_type
        descriptor = Descriptor(kind, images.digest(data), len(data))
        layers.append({"mediaType": kind, "digest": descriptor.digest, "size": len(data)})
        if not destination.has_blob(descriptor):
            destination.put_blob(descriptor, iter((data[:7], data[7:])))
    config = image.config()
    destination.put_blob(Descriptor(config.media_type, config.digest, config.size), iter((config.read(),)))
    manifest = {**json.loads(image.manifest().read()), "layers": layers}
    destination.finish(json.dumps(manifest).encode(), documents.OCI_MANIFEST)


def contents(origin: Origin) -> tuple[bytes, list[str]]:
    """Read all of an image: its config, and the diffIDs of what its layers are."""
    source = locate(origin, None, TRUST)
    found = []
    for diff_id, descriptor in source.layers:
        data = b"".join(origin.fresh().open_blob(descriptor))
        assert images.digest(data) == descriptor.digest
        assert b"".join(origin.open_blob(descriptor, offset=5)) == data[5:]
        assert len(data) == descriptor.size
        import storage.compression as compression

        inflated = b"".join(compression.inflate(iter((data,))))
        assert images.digest(inflated) == diff_id
        found.append(diff_id)
    return source.config.raw, found


def expected(image: images.Image) -> tuple[bytes, list[str]]:
    """Return what `contents` gives for it."""
    return image.config().read(), [layer.diff_id for layer in image.layers]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Any]:
    """Open archives and directories, which are closed at the end."""
    kept: list[Files] = []

    def open_it(path: object) -> Files:
        kept.append(Folder(str(path)) if os.path.isdir(str(path)) else open_archive(str(path), str(tmp_path)))
        return kept[-1]

    yield open_it
    for files in kept:
        files.close()


def layout(files: Files, **choice: Any) -> OciOrigin:
    """Choose an image of a layout."""
    return OciOrigin(files, "oci", oci.choose(oci.listed(files), files.path, **choice), files.path)


def test_a_layout_gets_one_image_after_the_other(tmp_path: Path, opened: Any) -> None:
    path = tmp_path / "layout"
    put(OciDestination(FolderLayout(str(path)), "one"), ONE)
    assert contents(layout(opened(path))) == expected(ONE)
    put(OciDestination(FolderLayout(str(path)), "example/two:v2"), TWO)
    put(OciDestination(FolderLayout(str(path))), TWO)
    put(OciDestination(FolderLayout(str(path))), TWO)  # twice, and there once
    files = opened(path)
    assert [oci.name_of(one) for one in oci.listed(files)] == ["one", "example/two:v2", ""]
    assert contents(layout(files, name="one")) == expected(ONE)
    assert contents(layout(files, name="example/two:v2")) == contents(layout(files, number=2)) == expected(TWO)
    put(OciDestination(FolderLayout(str(path)), "one"), TWO)  # the name moves
    assert contents(layout(opened(path), name="one")) == expected(TWO)
    assert json.loads((path / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    with pytest.raises(StorageError, match="more than one image in oci, choose an image") as refused:
        layout(files)
    assert refused.value.hint == "append one of these after a colon: example/two:v2, @1, one"
    for choice in ({"name": "three"}, {"number": 3}):
        with pytest.raises(ImageNotFoundError):
            layout(files, **choice)


def test_images_for_several_platforms(tmp_path: Path, opened: Any) -> None:
    entries = []
    path = str(tmp_path / "layout")
    for image, architecture in ((ONE, "amd64"), (TWO, "arm64")):
        put(OciDestination(FolderLayout(path), architecture), image)
        files = opened(path)
        named = oci.choose(oci.listed(files), path, name=architecture)
        platform = {"os": "linux", "architecture": architecture}
        entries.append(
            {"mediaType": named.media_type, "digest": named.digest, "size": named.size, "platform": platform}
        )
    index = json.dumps({"schemaVersion": 2, "mediaType": documents.OCI_INDEX, "manifests": entries}).encode()
    destination = OciDestination(FolderLayout(path), "all")
    destination.finish(index, documents.OCI_INDEX)
    origin = layout(opened(path), name="all")
    for image, architecture in ((ONE, "amd64"), (TWO, "arm64")):
        source = locate(origin, documents.Platform("linux", architecture), TRUST)
        assert source.config.raw == image.config().read()
        assert source.digests[-1] == images.digest(index)


def test_an_archive_of_a_layout(tmp_path: Path, opened: Any) -> None:
    path = tmp_path / "archive"
    put(OciDestination(ArchiveLayout(FileOutput(str(path))), "one"), ONE)
    assert path.stat().st_mode & 0o777 == 0o644
    files = opened(path)
    assert contents(layout(files, name="one")) == contents(layout(files)) == expected(ONE)


def test_a_directory(tmp_path: Path, opened: Any) -> None:
    path = tmp_path / "image"
    put(DirectoryDestination(str(path)), ONE)
    put(DirectoryDestination(str(path)), TWO)
    assert contents(DirectoryOrigin(opened(path))) == expected(TWO)
    assert sorted(os.listdir(path)) == sorted(
        ["version", "manifest.json", *(one.digest[7:] for one in (TWO.config(), *(at.blob for at in TWO.layers)))]
    )
    assert os.listdir(tmp_path) == ["image"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "precious").touch()
    with pytest.raises(StorageError, match="don't want to overwrite important data"):
        DirectoryDestination(str(tmp_path / "other"))


def test_several_images_in_one_of_dockers_archives(tmp_path: Path, opened: Any) -> None:
    path = tmp_path / "archive"
    writer = DockerArchiveWriter(FileOutput(str(path)))
    put(writer.image(["docker.io/library/one:1", "example.com:5000/one:2"]), ONE)
    put(writer.image(["docker.io/library/two:v"]), TWO)
    put(writer.image(["docker.io/library/two:w"]), TWO)
    writer.finish()
    files = opened(path)
    found = docker_archive.items(files)
    assert [item.names for item in found] == [
        ("docker.io/library/one:1", "example.com:5000/one:2"),
        ("docker.io/library/two:v", "docker.io/library/two:w"),
    ]
    assert contents(DockerArchiveOrigin(files, found[0])) == expected(ONE)
    assert docker_archive.choose(found, "", name="docker.io/library/two:v") is found[1]
    assert docker_archive.choose(found, "", number=1) is found[1]
    assert contents(DockerArchiveOrigin(files, found[1])) == expected(TWO)
    for choice in ({}, {"number": 2}, {"name": "docker.io/library/three:v"}):
        with pytest.raises(StorageError):
            docker_archive.choose(found, "", **choice)
    with tarfile.open(path) as archive:
        names = archive.getnames()
        assert len(names) == len(set(names))
        repositories = json.load(archive.extractfile("repositories") or io.BytesIO())
        for name, tag in (("docker.io/library/one", "1"), ("docker.io/library/two", "w")):
            top = repositories[name][tag]
            assert archive.extractfile(f"{top}/layer.tar") is not None  # through its link
            document = json.load(archive.extractfile(f"{top}/json") or io.BytesIO())
            assert f"{document['parent']}/json" in names
    # What docker read before 1.10 leads to the same layers.
    legacy_only = tmp_path / "legacy"
    with tarfile.open(path) as archive, tarfile.open(legacy_only, "w") as older:
        for member in archive:
            if member.name != "manifest.json":
                older.addfile(member, archive.extractfile(member) if member.isreg() else None)
    old_files = opened(legacy_only)
    old = [item for item in docker_archive.items(old_files) if "docker.io/library/two:w" in item.names]
    assert contents(DockerArchiveOrigin(old_files, old[0]))[1] == expected(TWO)[1]


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
def test_compressed_archives(tmp_path: Path, suffix: str, opened: Any) -> None:
    path = tmp_path / "archive"
    put(SingleArchiveDestination(FileOutput(str(path)), ["docker.io/library/one:1"]), ONE)
    import bz2
    import lzma

    import zstandard

    data = {
        ".gz": images.gzip,
        ".bz2": bz2.compress,
        ".xz": lzma.compress,
        ".zst": zstandard.ZstdCompressor().compress,
    }[suffix](path.read_bytes())
    path.write_bytes(data)
    files = opened(path)
    assert contents(DockerArchiveOrigin(files, docker_archive.items(files)[0])) == expected(ONE)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(StorageError):
        open_archive(str(path), str(tmp_path))
    assert os.listdir(tmp_path) == ["archive"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_layers_that_are_compressed_or_links(tmp_path: Path, kind: bytes, opened: Any) -> None:
    path = tmp_path / "archive"
    config = ONE.config()
    manifest = [{"Config": "c.json", "RepoTags": None, "Layers": ["x/layer.tar", "y/layer.tar"]}]
    target = "../z.tar" if kind == tarfile.SYMTYPE else "./z.tar"
    path.write_bytes(
        images.tar(
            images.entry("z.tar", ONE.layers[0].blob.read()),
            images.entry("x/layer.tar", type=kind, linkname=target),
            images.entry("y/layer.tar", plain(ONE.layers[1])),
            images.entry("./c.json", config.read()),
            images.entry("manifest.json", json.dumps(manifest).encode()),
        )
    )
    files = opened(path)
    origin = DockerArchiveOrigin(files, docker_archive.items(files)[0])
    assert contents(origin) == expected(ONE)
    assert [layer.media_type for _, layer in locate(origin, None, TRUST).layers] == [
        f"{documents.DOCKER_LAYER}.gzip",
        documents.DOCKER_LAYER,
    ]


@pytest.mark.parametrize("kind", ["oci", "oci-archive", "dir", "docker-archive"])
def test_what_is_not_finished_leaves_nothing(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"

    def make() -> Destination:
        if kind == "oci":
            return OciDestination(FolderLayout(str(path)), "n")
        if kind == "dir":
            return DirectoryDestination(str(path))
        output = FileOutput(str(path))
        return SingleArchiveDestination(output) if kind == "docker-archive" else OciDestination(ArchiveLayout(output))

    data = b"x" * 1000
    for wrong, why in ((data + b"y", "more bytes"), (data[1:], "fewer bytes"), (b"y" + data[1:], "does not match")):
        destination = make()
        with pytest.raises(CorruptError, match=why):
            destination.put_blob(Descriptor("", images.digest(data), len(data)), iter((wrong,)))
        destination.close()
        assert os.listdir(tmp_path) == []
    destination = make()
    destination.put_blob(Descriptor("", images.digest(data), len(data)), iter((data,)))
    assert destination.has_blob(Descriptor("", images.digest(data), len(data)))
    destination.close()
    destination.close()
    assert os.listdir(tmp_path) == []


def test_a_layout_that_is_there_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "layout"
    put(OciDestination(FolderLayout(str(path)), "one"), ONE)

    def state() -> dict[str, bytes]:
        return {str(one): one.read_bytes() for one in path.rglob("*") if one.is_file()}

    before = state()
    destination = OciDestination(FolderLayout(str(path)), "two")
    with pytest.raises(CorruptError):
        destination.put_blob(Descriptor("", "sha256:" + "0" * 64, 1), iter((b"z",)))
    destination.put_blob(Descriptor("", "sha512:" + hashlib.sha512(b"z").hexdigest(), 1), iter((b"z",)))
    assert state() != before
    destination.close()
    assert state() == before
    assert sorted(os.listdir(path / "blobs")) == ["sha256"]


def test_a_layout_keeps_the_blobs_that_another_writer_counts_on(
    tmp_path: Path, opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "layout"
    put(OciDestination(FolderLayout(str(path)), "one"), ONE)
    failing, other = (OciDestination(FolderLayout(str(path)), name) for name in ("two", "three"))
    blob = TWO.layers[1].blob
    descriptor = Descriptor(blob.media_type, blob.digest, blob.size)
    rename = os.rename
    told = []

    def full(source: str, target: str, **where: int) -> None:
        if source == "index.json":
            told.append(other.has_blob(descriptor))
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        rename(source, target, **where)

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", full)
        with pytest.raises(StorageError, match="no space left"):
            put(failing, TWO)
    failing.close()
    assert told == [True]
    assert other.has_blob(descriptor)
    put(other, TWO)
    files = opened(path)
    assert [oci.name_of(one) for one in oci.listed(files)] == ["one", "three"]
    assert contents(layout(files, name="three")) == expected(TWO)


def test_a_layout_is_not_written_through_links(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "layout").mkdir()
    (tmp_path / "layout" / "blobs").symlink_to(tmp_path / "outside")
    destination = OciDestination(FolderLayout(str(tmp_path / "layout")))
    with pytest.raises(StorageError):
        put(destination, ONE)
    destination.close()
    assert os.listdir(tmp_path / "outside") == []


def test_the_second_of_two_new_layouts_does_not_take_the_place_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "layout"
    first, second = (OciDestination(FolderLayout(str(path)), name) for name in ("one", "two"))
    put(first, ONE)
    with pytest.raises(StorageError, match="layout"):
        put(second, ONE)
    second.close()
    assert [one["annotations"] for one in json.loads((path / "index.json").read_bytes())["manifests"]] != []
    assert os.listdir(tmp_path) == ["layout"]


@pytest.mark.parametrize("kind", [FolderLayout, None])
def test_an_empty_directory_is_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Any) -> None:
    (tmp_path / "here").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to("here")
    monkeypatch.chdir(tmp_path / "here")
    put(OciDestination(FolderLayout("."), "n") if kind else DirectoryDestination(str(tmp_path / "link")), ONE)
    assert len(os.listdir(tmp_path / "here")) > 2
    assert os.readlink(tmp_path / "link") == "here"
    assert os.stat(tmp_path / "here").st_mode & 0o777 == 0o700


def test_what_is_taken_back_is_not_looked_for_elsewhere(tmp_path: Path) -> None:
    path, victim = tmp_path / "layout", tmp_path / "victim"
    for one in (path, victim):
        one.mkdir()
        (one / "x").write_bytes(b"")
    (victim / "oci-layout").write_bytes(b"kept")
    output = FolderOutput(str(path))
    output.add("oci-layout", iter([b"{}"]))
    path.rename(tmp_path / "moved")
    path.symlink_to(victim)
    output.discard()
    assert (victim / "oci-layout").read_bytes() == b"kept"
    assert os.listdir(tmp_path / "moved") == ["x"]


@pytest.mark.parametrize("kind", ["layout", "directory"])
def test_a_killed_writer_into_a_directory_leaves_nothing_there(tmp_path: Path, kind: str) -> None:
    """No blob that nothing refers to, and whoever fills the directory next can."""
    root, place = str(tmp_path / "store"), tmp_path / "there"
    place.mkdir()

    def opened(store: Store) -> Destination:
        if kind == "layout":
            return OciDestination(FolderLayout(str(place), store), "n")
        return DirectoryDestination(str(place), store)

    child = os.fork()
    if child == 0:
        destination = opened(open_store(root))
        destination.put_blob(Descriptor("", documents.digest_of(b"blob"), 4), iter((b"blob",)))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    (left,) = os.listdir(place)
    assert left.startswith(".there.")
    store = open_store(root)
    put(opened(store), ONE)
    gc.sweep(store)
    assert left not in os.listdir(place)
    assert documents.digest_of(b"blob").removeprefix("sha256:") not in str(list(place.rglob("*")))


@pytest.mark.parametrize("kind", [FileOutput, FolderOutput])
def test_the_collector_takes_what_a_killed_writer_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY)  # what a file system without it makes of it
    root, place = str(tmp_path / "store"), tmp_path / "there"
    place.mkdir()
    child = os.fork()
    if child == 0:
        output = kind(str(place / "saved"), open_store(root))
        output.write(b"x") if kind is FileOutput else output.add("x", iter((b"x",)))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    (left,) = os.listdir(place)
    store = open_store(root)
    other = kind(str(place / "saved"), store)
    gc.sweep(store)
    (others,) = os.listdir(place)
    assert others not in (left, "saved")
    other.finish()
    gc.sweep(store)
    assert os.listdir(place) == ["saved"]
    assert os.listdir(f"{root}/staging") == []
    store.close()


def test_the_collector_takes_nothing_else(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    for name in ("kept", f".kept.{'0' * 23}", f".kept.{'0' * 24}x"):
        (tmp_path / name).mkdir()
        (tmp_path / "store" / "staging" / name.strip(".")).mkdir()
        (tmp_path / "store" / "staging" / name.strip(".") / "unfinished").symlink_to(tmp_path / name)
    linked = tmp_path / f".kept.{'1' * 24}"
    linked.symlink_to(tmp_path / "kept")
    (tmp_path / "kept" / "file").write_bytes(b"")
    (tmp_path / "store" / "staging" / "linked").mkdir()
    (tmp_path / "store" / "staging" / "linked" / "unfinished").symlink_to(linked)
    gc.sweep(store)
    store.close()
    assert os.listdir(tmp_path / "store" / "staging") == []
    assert sorted(os.listdir(tmp_path)) == [f".kept.{'0' * 23}", f".kept.{'0' * 24}x", "kept", "store"]
    assert os.listdir(tmp_path / "kept") == ["file"]


def test_streams(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    output = StreamOutput(write_end, "stdout")
    os.close(read_end)
    with pytest.raises(StorageError, match="write stdout: broken pipe"):
        output.write(b"x")
    os.close(write_end)
    null = file_output("/dev/null")
    null.write(b"x")
    null.finish()
    null.discard()
    with pytest.raises(StorageError, match="/no/x: no such file or directory"):
        file_output("/no/x")


def test_a_file_without_the_kernels_help(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY)  # what a kernel without it makes of it
    output = FileOutput(str(tmp_path / "x"))
    output.write(b"1")
    assert not (tmp_path / "x").exists()
    output.finish()
    assert (tmp_path / "x").read_bytes() == b"1"
    other = FileOutput(str(tmp_path / "x"))
    other.write(b"2")
    other.discard()
    assert (tmp_path / "x").read_bytes() == b"1"
    assert os.listdir(tmp_path) == ["x"]


def test_the_archive_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(images.tar(images.entry("a", b"1")))
    before = os.listdir("/proc/self/fd")
    archive = Archive(os.open(path, os.O_RDONLY), str(path))
    assert b"".join(archive.chunks("a")) == b"1"
    archive.close()
    assert len(os.listdir("/proc/self/fd")) == len(before)
