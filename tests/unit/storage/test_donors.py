"""Files that two layers share: linked from one into the other, or cloned where the file system can do that."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage import images, syscalls
from storage.check import check, find
from storage.layers import landlock
from storage.layers.donors import Donors
from storage.layers.unpacking import UnpackOptions
from storage.layers.worker import fork_unpack
from storage.reference import normalize
from storage.registry.options import RegistryOptions
from storage.registry.origin import Clients, RegistryOrigin
from storage.repair import Repairer
from storage.store import Store, open_store
from tests.fakes.registry import FakeRegistry
from tests.fixtures.chunked import BIG, pull, ranges, serve
from tests.fixtures.images import entry, link, tar
from tests.fixtures.trusting import accept_anything


def inodes(store: Store, image: images.Image) -> dict[str, int]:
    """Give the inode of each regular file of an image of one layer, by its name."""
    root = Path(store.layer_path(image.layers[0]), "diff")
    files = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    return {str(path.relative_to(root)): path.stat().st_ino for path in files}


def pulled_after(store: Store, registry: FakeRegistry, old: bytes, new: bytes) -> tuple[images.Image, set[str]]:
    """Pull one image, then another; give the second one and the names of the files that they share."""
    serve(registry, "1", old)
    first = inodes(store, pull(store, registry, "1"))
    blob = serve(registry, "2", new)
    image = pull(store, registry, "2")
    assert None not in ranges(registry, blob)
    assert check(store, deep=True) == []
    return image, {name for name, inode in inodes(store, image).items() if first.get(name) == inode}


def test_a_file_that_is_the_same_in_all_is_shared(store: Store, registry: FakeRegistry) -> None:
    old = tar(
        *(entry(name, BIG[:9]) for name in ("same", "mode", "time", "content", "elsewhere", "attribute", "setuid")),
        entry("big", BIG),
        link("hard", "same"),
    )
    new = tar(
        entry("same", BIG[:9]),
        entry("big", BIG),
        entry("mode", BIG[:9], mode=0o600),
        entry("time", BIG[:9], mtime=12345),
        entry("content", BIG[1:10]),
        entry("renamed", BIG[:9]),
        entry("attribute", BIG[:9], pax_headers={"SCHILY.xattr.user.a": "b"}),
        entry("setuid", BIG[:9], mode=0o4755),
        link("hard", "same"),
    )
    image, shared = pulled_after(store, registry, old, new)
    assert shared == {"same", "big", "hard"}
    images.remove(store, next(one for one in images.ids(store) if one != image.id), force=True)
    assert check(store, deep=True) == []
    assert Path(store.layer_path(image.layers[0]), "diff/big").read_bytes() == BIG


def test_no_file_is_missed(store: Store, registry: FakeRegistry) -> None:
    files = [entry(str(number), BIG[number:]) for number in range(4)]
    _, shared = pulled_after(store, registry, tar(*files), tar(*files, entry("more", b"more")))
    assert shared == {"0", "1", "2", "3"}


def test_attributes_that_only_the_old_file_has(store: Store, registry: FakeRegistry) -> None:
    old = tar(entry("big", BIG), entry("file", b"a", pax_headers={"SCHILY.xattr.user.a": "b"}))
    image, shared = pulled_after(store, registry, old, tar(entry("big", BIG), entry("file", b"a")))
    assert shared == {"big"}
    assert os.listxattr(Path(store.layer_path(image.layers[0]), "diff/file")) == []


def test_hard_links_become_files_of_their_own(store: Store, registry: FakeRegistry) -> None:
    old = tar(entry("big", BIG), entry("a", b"a"), entry("b", b"a"), link("b", "a"))
    image, shared = pulled_after(store, registry, old, tar(entry("big", BIG), entry("a", b"a"), entry("b", b"a")))
    found = inodes(store, image)
    assert "a" in shared
    assert found["a"] != found["b"]


def test_files_below_links_are_not_shared(store: Store, registry: FakeRegistry) -> None:
    directory = entry("usr", type=b"5", mode=0o755)
    alias = entry("lib", type=b"2", linkname="usr")
    old = tar(entry("big", BIG), directory, alias, entry("lib/a", b"a"), entry("lib/b", b"b"))
    new = tar(entry("big", BIG), directory, entry("lib/a", b"a"), entry("usr/b", b"b"))
    pulled_after(store, registry, old, new)
    third = tar(entry("big", BIG), directory, alias, entry("lib/a", b"a"), entry("lib/b", b"b"), directory)
    serve(registry, "3", third)
    pull(store, registry, "3")
    assert check(store, deep=True) == []
    files = [path for path in Path(store.layers).glob("*/diff/*/*") if not path.parent.is_symlink()]
    assert len(files) == 6
    assert {path.stat().st_nlink for path in files} == {1}


def test_a_shared_file_that_a_later_entry_replaces(store: Store, registry: FakeRegistry) -> None:
    old = tar(entry("big", BIG), entry("a", b"a"))
    new = tar(entry("big", BIG), entry("a", b"a"), entry("a", b"later"))
    image, _ = pulled_after(store, registry, old, new)
    assert Path(store.layer_path(image.layers[0]), "diff/a").read_bytes() == b"later"


def test_a_damaged_file_is_not_shared(store: Store, registry: FakeRegistry) -> None:
    serve(registry, "1", tar(entry("big", BIG)))
    path = Path(store.layer_path(pull(store, registry, "1").layers[0]), "diff/big")
    before = path.stat()
    with path.open("r+b") as file:
        file.write(bytes([BIG[0] ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    serve(registry, "2", tar(entry("big", BIG), entry("more", b"more")))
    image = pull(store, registry, "2")
    new = Path(store.layer_path(image.layers[0]), "diff/big")
    assert new.read_bytes() == BIG
    assert new.stat().st_ino != path.stat().st_ino


def test_further_stores_share_nothing(
    store: Store, registry: FakeRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landlock, "confine", lambda *_, **__: False)  # it would see to it, too
    serve(registry, "1", tar(entry("big", BIG)))
    layer = store.layer_path(pull(store, registry, "1").layers[0])
    os.rename(layer, tmp_path / "further")
    os.symlink(tmp_path / "further", layer)
    serve(registry, "2", tar(entry("big", BIG), entry("more", b"more")))
    image = pull(store, registry, "2")
    path = Path(store.layer_path(image.layers[0]), "diff/big")
    assert path.stat().st_nlink == 1
    assert path.read_bytes() == BIG


def test_damage_of_a_shared_file_is_mended_in_each_layer(store: Store, registry: FakeRegistry) -> None:
    old = tar(entry("big", BIG))
    image, shared = pulled_after(store, registry, old, tar(entry("big", BIG), entry("more", b"more")))
    assert shared == {"big"}
    Path(store.layer_path(image.layers[0]), "diff/big").write_bytes(b"damaged")
    damage = find(store, deep=True)
    assert len({one.subject for one in damage}) == 2
    options = RegistryOptions(retries=0)
    tags = {one: tag for tag in "12" for one in [images.resolve(store, f"{registry.domain}/a:{tag}").id]}

    def origins(found: str, _digest: str) -> list[RegistryOrigin]:
        return [RegistryOrigin(Clients(options), normalize(f"{registry.domain}/a:{tags[found]}"))]

    report = Repairer(store, origins, lambda: accept_anything(options), dict, rootless=os.getuid() != 0).repair(damage)
    assert len(report.mended) == 2, report
    assert find(store, deep=True) == []


def test_a_name_that_comes_twice_gets_the_contents_of_each_time(store: Store, registry: FakeRegistry) -> None:
    old = tar(entry("big", BIG), entry("a", b"old"))
    new = tar(entry("big", BIG), entry("a", b"new"), link("hard", "a"), entry("a", b"old"))
    image, _ = pulled_after(store, registry, old, new)
    diff = Path(store.layer_path(image.layers[0]), "diff")
    assert {name: (diff / name).read_bytes() for name in ("a", "hard")} == {"a": b"old", "hard": b"new"}


@pytest.fixture(params=["xfs", "btrfs"])
def sharing(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Store]:
    """A store on a file system whose files can share blocks."""
    if os.getuid() or not shutil.which(f"mkfs.{request.param}") or not shutil.which("filefrag"):
        pytest.skip(f"needs root, mkfs.{request.param} and filefrag")
    disk, place = tmp_path / "disk", tmp_path / "place"
    with disk.open("wb") as file:
        file.truncate(512 << 20)
    subprocess.run([f"mkfs.{request.param}", "-q", disk], check=True, capture_output=True)
    place.mkdir()
    if subprocess.run(["mount", "-o", "loop", disk, place], check=False, capture_output=True).returncode:
        pytest.skip(f"the kernel mounts no {request.param}")
    try:
        opened = open_store(str(place / "store"))
        yield opened
        opened.close()
    finally:
        subprocess.run(["umount", place], check=True)


def test_contents_alone_are_shared_where_the_file_system_can(sharing: Store, registry: FakeRegistry) -> None:
    attributes = {"SCHILY.xattr.user.a": "b"}
    old = tar(entry("big", BIG), entry("moved", BIG[1:]), entry("changed", BIG[2:]), entry("extended", BIG[3:]))
    new = tar(
        entry("big", BIG),
        entry("elsewhere", BIG[1:]),
        entry("changed", BIG[2:], mode=0o4755, uid=7),
        entry("extended", BIG[3:], pax_headers=attributes),
        entry("more", b"more" * (1 << 16)),
    )
    image, linked = pulled_after(sharing, registry, old, new)
    assert linked == {"big"}
    diff = Path(sharing.layer_path(image.layers[0]), "diff")
    shared = {path.name for path in diff.iterdir() if shares_blocks(path)}
    assert shared == {"elsewhere", "changed", "extended"}
    images.remove(sharing, next(one for one in images.ids(sharing) if one != image.id), force=True)
    assert check(sharing, deep=True) == []
    assert (diff / "changed").read_bytes() == BIG[2:]
    assert (diff / "changed").stat().st_mode & 0o7777 == 0o4755


def shares_blocks(path: Path) -> bool:
    os.sync()
    found = subprocess.run(["filefrag", "-v", path.name], check=True, capture_output=True, text=True, cwd=path.parent)
    return "shared" in found.stdout


def test_a_worker_changes_nothing_but_what_it_makes(tmp_path: Path) -> None:
    """The attacker has taken over the process that unpacks."""
    for name in ("offered", "other"):
        (tmp_path / f"layers/{name}/diff").mkdir(parents=True)
        (tmp_path / f"layers/{name}/diff/file").write_bytes(b"file")
        (tmp_path / f"layers/{name}/headers.zst").write_bytes(b"headers")
    staging = tmp_path / "staging/own"
    for path in (staging, tmp_path / "staging/foreign"):
        path.mkdir(parents=True)
    offered, other = tmp_path / "layers/offered", tmp_path / "layers/other"
    attacks = {
        "a file of a layer that offers nothing": lambda: os.open(other / "diff/file", os.O_WRONLY),
        "its log of headers": lambda: os.open(other / "headers.zst", os.O_WRONLY | os.O_TRUNC),
        "the log of one that offers": lambda: os.open(offered / "headers.zst", os.O_WRONLY),
        "a new file there": lambda: os.open(offered / "diff/new", os.O_WRONLY | os.O_CREAT),
        "the removal of one": lambda: os.unlink(offered / "diff/file"),
        "a new name of one": lambda: os.rename(offered / "diff/file", staging / "file"),
        "a link to a file elsewhere": lambda: os.link(other / "diff/file", staging / "linked"),
        "a file of another worker": lambda: os.open(tmp_path / "staging/foreign/file", os.O_WRONLY | os.O_CREAT),
        "a file beside the store": lambda: os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT),
    }

    def chunks() -> Iterator[bytes]:
        done = [name for name, attack in attacks.items() if succeeds(attack)]
        os.link(offered / "diff/file", staging / "shared")
        yield tar(*(entry(name, b"") for name in done))

    if syscalls.landlock_version() < 2:
        pytest.skip("the kernel has no Landlock")
    worker = fork_unpack(
        chunks,
        str(staging),
        options=UnpackOptions(rootless=os.getuid() != 0, inflated=True, donors=Donors([str(offered)])),
    )
    worker.result()
    assert os.listdir(staging / "diff") == []
    assert (staging / "shared").read_bytes() == b"file"


def succeeds(attack: Callable[[], object]) -> bool:
    try:
        attack()
    except OSError:
        return False
    return True
