"""Archives and directories that want to harm: one clear error, nothing of the host read, bounded time and memory."""

from __future__ import annotations

import contextlib
import json
import os
import tarfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import transfer
from storage.documents import Descriptor
from storage.errors import CorruptError, StorageError
from storage.registry.options import RegistryOptions
from storage.source import locate
from storage.store import open_store
from storage.transports import docker_archive, files, oci
from storage.transports.archive import Archive
from storage.transports.directory import DirectoryOrigin
from storage.transports.docker_archive import DockerArchiveOrigin
from storage.transports.files import Folder, read
from storage.transports.oci import OciOrigin
from storage.transports.spool import open_archive, spooled
from tests.fixtures import images
from tests.fixtures.trusting import accept_anything

TRUST = accept_anything(RegistryOptions())
IMAGE = images.Image([images.layer(images.entry("a", b"1"))])
CONFIG = images.entry("c.json", IMAGE.config().read())
LAYER = images.entry("l.tar", images.tar(images.entry("a", b"1")))
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


def manifest(*layers: str, config: str = "c.json", tags: list[str] | None = None) -> Any:
    """Make the entry manifest.json of one image."""
    fields = [{"Config": config, "RepoTags": tags, "Layers": list(layers)}]
    return images.entry("manifest.json", json.dumps(fields).encode())


def read_docker(path: Path, data: bytes) -> list[bytes]:
    """Read all images of one of docker's archives; return their layers."""
    path.write_bytes(data)
    files = open_archive(str(path), str(path.parent))
    try:
        found = []
        for item in docker_archive.items(files):
            origin = DockerArchiveOrigin(files, item)
            found += [b"".join(origin.open_blob(layer)) for _, layer in locate(origin, None, TRUST).layers]
        return found
    finally:
        files.close()


def test_what_is_good_is_read(tmp_path: Path) -> None:
    # The tests below are each one step away from this one.
    assert read_docker(tmp_path / "x", images.tar(CONFIG, LAYER, manifest("l.tar"))) == [LAYER[1]]


def test_documents_without_end_are_not_all_kept(tmp_path: Path) -> None:
    config = json.dumps({**json.loads(CONFIG[1]), "author": "x" * (3 << 20)}).encode()
    listed = [{"Config": "c.json", "RepoTags": None, "Layers": ["l.tar"]}] * 6
    names = images.entry("manifest.json", json.dumps(listed).encode())
    (tmp_path / "x").write_bytes(images.tar(images.entry("c.json", config), LAYER, names))
    store = open_store(str(tmp_path / "store"))
    files = open_archive(str(tmp_path / "x"), str(tmp_path))
    origins = [(DockerArchiveOrigin(files, item), ()) for item in docker_archive.items(files)]
    with pytest.raises(StorageError, match="the documents of these 6 images have more than 16777216 bytes"):
        transfer.copy_all_in(store, origins, trust=TRUST)
    files.close()
    store.close()


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([CONFIG, LAYER, images.symlink("manifest.json", "/etc/passwd")], "'manifest.json' is not in the archive"),
        ([CONFIG, LAYER, images.symlink("manifest.json", "../../../etc/passwd")], "is not in the archive"),
        ([CONFIG, LAYER, images.link("manifest.json", "/etc/passwd")], "is not in the archive"),
        ([images.symlink("c.json", "/etc/passwd"), LAYER, manifest("l.tar")], "'c.json' is not in the archive"),
        ([CONFIG, images.symlink("l.tar", "/dev/zero"), manifest("l.tar")], "'l.tar' is not in the archive"),
        ([CONFIG, images.symlink("l.tar", "l.tar"), manifest("l.tar")], "'l.tar' is not in the archive"),
        ([CONFIG, LAYER, manifest("../../../../etc/passwd")], "is not in the archive"),
        ([CONFIG, LAYER, manifest("/etc/passwd")], "is not in the archive"),
        ([CONFIG, LAYER, manifest("l.tar", config="/etc/passwd")], "is not in the archive"),
        ([CONFIG, images.entry("../l.tar", b"x"), manifest("l.tar")], "leaves the root"),
        ([CONFIG, images.entry("l.tar"), manifest("l.tar")], "'l.tar' is not in the archive"),
        (
            [CONFIG, images.entry("l.tar", type=tarfile.CHRTYPE, devmajor=1, devminor=5), manifest("l.tar")],
            "not in the",
        ),
        ([CONFIG, LAYER, manifest("l.tar"), manifest("l.tar")], "manifest.json is there twice"),
        ([CONFIG, LAYER, manifest("l.tar", "l.tar")], "1 diff_ids for 2 layers"),
        ([CONFIG, LAYER, manifest("l.tar", tags=["a@sha256:" + "1" * 64])], "only tags are allowed"),
        ([CONFIG, LAYER, manifest("l.tar", tags=["A/../b"])], "invalid reference"),
        ([images.entry("c.json", b"x" * (5 << 20)), LAYER, manifest("l.tar")], "larger than 4 MiB"),
        ([images.entry("manifest.json", b"[" * 100_000)], "not valid JSON"),
        ([images.entry("manifest.json", b'{"a":1}')], "not a list of images"),
        ([images.entry("manifest.json", json.dumps([{}] * 10_001).encode())], "10001 images are too many"),
        ([images.entry("repositories", b'{"a": {"b": "../../x"}}')], "the ID of a layer is malformed"),
        ([images.entry("repositories", b'{"a": 1}')], "not an object of tags"),
        ([images.entry("etc/passwd", b"root")], "not an archive of images"),
    ],
)
def test_entries(tmp_path: Path, entries: list[Any], why: str) -> None:
    with pytest.raises(StorageError, match=why):
        read_docker(tmp_path / "x", images.tar(*entries))


def test_layers_that_are_their_own_parents(tmp_path: Path) -> None:
    top = "a" * 64
    entries = [
        images.entry("repositories", json.dumps({"a": {"b": top}}).encode()),
        images.entry(f"{top}/json", json.dumps({"parent": top}).encode()),
    ]
    with pytest.raises(CorruptError, match="one of its own"):
        read_docker(tmp_path / "x", images.tar(*entries))


def test_of_two_files_with_one_name_the_last_counts(tmp_path: Path) -> None:
    other = images.entry("l.tar", b"other")
    assert read_docker(tmp_path / "x", images.tar(CONFIG, other, LAYER, manifest("l.tar"))) == [LAYER[1]]


@pytest.mark.parametrize(
    "data",
    [b"", b"x", b"<!DOCTYPE html><html>" + b" " * 2000, os.urandom(5000), b"\0" * 10240, b"\x1f\x8b" + b"x" * 600],
    ids=["empty", "short", "html", "noise", "zeros", "gzip"],
)
def test_no_archive(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(StorageError) as told:
        read_docker(tmp_path / "x", data)
    assert str(tmp_path / "x") in str(told.value) or "inflate" in str(told.value)
    assert "\n" not in str(told.value)
    assert os.listdir(tmp_path) == ["x"]


def test_truncated_at_every_place(tmp_path: Path) -> None:
    data = images.tar(manifest("l.tar"), CONFIG, LAYER)
    end = data.index(LAYER[1]) + len(LAYER[1])
    for length in [*range(0, end, 400), end - 1]:
        with pytest.raises(StorageError):
            read_docker(tmp_path / "x", data[:length])


def test_sizes_that_are_not_there(tmp_path: Path) -> None:
    info = tarfile.TarInfo("l.tar")
    info.size = 10 << 30
    header = info.tobuf(tarfile.PAX_FORMAT)
    with pytest.raises(CorruptError, match="ends within an entry"):
        read_docker(tmp_path / "x", header + images.tar(CONFIG, manifest("l.tar")))


def test_holes_cost_nothing(tmp_path: Path) -> None:
    """A file of 1 TB that takes no space: documents are bounded, and the rest is read only as far as it is wanted."""
    info = tarfile.TarInfo("manifest.json")
    info.size = 1 << 40
    header = info.tobuf(tarfile.GNU_FORMAT)
    path = tmp_path / "x"
    with open(path, "wb") as file:
        file.write(header)
        file.truncate(len(header) + info.size + 1024)
    started = time.monotonic()
    archive = Archive(os.open(path, os.O_RDONLY), "x")
    with pytest.raises(CorruptError, match="larger than 4 MiB"):
        docker_archive.items(archive)
    archive.close()
    assert time.monotonic() - started < 5


def test_sparse_members(tmp_path: Path) -> None:
    info = tarfile.TarInfo("manifest.json")
    info.type = tarfile.REGTYPE
    info.pax_headers = {"GNU.sparse.size": str(1 << 40), "GNU.sparse.map": "", "GNU.sparse.name": "manifest.json"}
    path = tmp_path / "x"
    path.write_bytes(info.tobuf(tarfile.PAX_FORMAT) + bytes(1024))
    archive = open_archive(str(path), str(tmp_path))
    with pytest.raises(StorageError):
        docker_archive.items(archive)
    archive.close()


def test_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_BOMB_SIZE", 1 << 20)
    monkeypatch.setattr(files, "_BOMB_RATIO", 100)
    with pytest.raises(StorageError, match="inflate to more than"):
        spooled(iter((images.gzip(bytes(64 << 20)),)), "x", str(tmp_path))
    assert os.listdir(tmp_path) == []


def test_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from storage.transports import archive

    monkeypatch.setattr(archive, "_MAX_MEMBERS", 100)
    with pytest.raises(CorruptError, match="more than 100 files"):
        read_docker(tmp_path / "x", images.tar(*(images.entry(str(number), b"") for number in range(101))))


def test_long_names_of_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from storage.transports import archive

    monkeypatch.setattr(archive, "_MAX_TEXT", 10_000)
    members = [images.entry(f"{number}{'n' * 90}", type=b"2", linkname="t" * 90) for number in range(60)]
    with pytest.raises(CorruptError, match="more than 10000 bytes of names"):
        read_docker(tmp_path / "x", images.tar(*members))


def test_as_many_members_as_there_may_be_fit_into_memory(tmp_path: Path) -> None:
    from storage.transports import archive

    count = 3000
    path = tmp_path / "x"
    path.write_bytes(images.tar(*(images.entry(f"{number:060}", b"") for number in range(count))))
    fd = os.open(path, os.O_RDONLY)
    tracemalloc.start()
    try:
        index = archive.Archive(fd, "x")
        cost = tracemalloc.get_traced_memory()[0] / count
    finally:
        tracemalloc.stop()
    index.close()
    assert archive._MAX_MEMBERS * cost + archive._MAX_TEXT < 100 << 20, f"{cost:.0f} bytes each"


@pytest.mark.parametrize("name", ["file", "directory/file", "link/file", "fifo", "directory", "missing", "../file"])
def test_folders_follow_no_links(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "file").write_text("secret")
    folder = tmp_path / "folder"
    (folder / "directory").mkdir(parents=True)
    (folder / "file").symlink_to(tmp_path / "secret")
    (folder / "directory" / "file").symlink_to("../../secret")
    (folder / "link").symlink_to(tmp_path)
    os.mkfifo(folder / "fifo")
    files = Folder(str(folder))
    if name == "../file":  # no digest, and nothing else that is read, has such a form
        with pytest.raises(CorruptError, match="digest"):
            OciOrigin(files, "oci", Descriptor("", "sha256:../../file", 1), "x").manifest()
    else:
        with pytest.raises(StorageError):
            read(files, name, 100)
    files.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    document=ANY_JSON | st.lists(st.fixed_dictionaries({"Config": ANY_JSON, "Layers": ANY_JSON, "RepoTags": ANY_JSON}))
)
def test_any_manifest_json(tmp_path: Path, document: Any) -> None:
    data = images.tar(CONFIG, LAYER, images.entry("manifest.json", json.dumps(document).encode()))
    with contextlib.suppress(StorageError):
        read_docker(tmp_path / "x", data)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(document=ANY_JSON | st.fixed_dictionaries({"schemaVersion": st.just(2), "manifests": st.lists(ANY_JSON)}))
def test_any_index_json(tmp_path: Path, document: Any) -> None:
    folder = tmp_path / "layout"
    folder.mkdir(exist_ok=True)
    (folder / "index.json").write_text(json.dumps(document))
    (folder / "manifest.json").write_text(json.dumps(document))
    files = Folder(str(folder))
    for origin in (
        lambda: OciOrigin(files, "oci", oci.choose(oci.listed(files), "x", number=0), "x"),
        lambda: DirectoryOrigin(files),
    ):
        with pytest.raises(StorageError):
            locate(origin(), None, TRUST)
    files.close()
