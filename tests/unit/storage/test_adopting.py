"""Directories that become layers as they are."""

from __future__ import annotations

import hashlib
import io
import os
import socket
import tarfile
from pathlib import Path

import pytest

from storage import adopting, build_cache, gc
from storage.build_cache import Step
from storage.errors import StorageError
from storage.layers.rebuild import rebuild_tar
from storage.layers.verify import tree_damage
from storage.layers.write import WriteOptions, tar_of
from storage.store import Store


def filled(store: Store, name: bytes = b"long") -> adopting.Adoption:
    """Fill a staging directory and begin to adopt it."""
    staging = store.staging()
    diff = Path(staging.path, "diff")
    (diff / "d").mkdir(parents=True)
    (diff / "d/x").write_bytes(b"x" * 1000)
    (diff / "d/large").write_bytes(os.urandom(300_000))
    os.link(diff / "d/x", diff / "d/y")
    os.symlink("x", diff / "d/z")
    (diff / os.fsdecode(name * 60)).write_bytes(b"")
    Path(staging.path, "work/work").mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(diff)  # the path is too long for a socket's address
        listener.bind("socket")
        os.chdir(here)
    adoption = adopting.fork_adoption(staging)
    layer = adoption.result()
    with store.publishing():
        adopting.publish(store, staging, layer, rootless=False, single_id=False)
        key = adopting.key_over(store, (), "", layer)
        build_cache.keep(store, Step("step", key, layer.diff_id, layer.size, 1.0, 1.0))
    return adoption


def test_the_same_tar_comes_out_again(store: Store) -> None:
    filled(store)
    step = build_cache.find(store, "step")
    assert step is not None
    path = store.layer_path(step.layer)
    tar = b"".join(rebuild_tar(path))
    assert f"sha256:{hashlib.sha256(tar).hexdigest()}" == step.diff_id
    assert len(tar) == step.size
    root = os.open(f"{path}/diff", os.O_RDONLY)
    assert b"".join(tar_of(root, WriteOptions(layer=True))) == tar
    os.close(root)
    assert sorted(os.listdir(path)) == ["diff", "headers.zst"]
    assert not os.path.lexists(f"{path}/diff/socket")
    assert tree_damage(path) == []


def adopted(store: Store, diff: Path) -> bytes:
    """Return the tar of a layer that is adopted, after a look at whether its directory is what that makes."""
    with store.staging() as staging:
        os.rename(diff, f"{staging.path}/diff")
        adopting.fork_adoption(staging).result()
        assert tree_damage(staging.path) == []
        return b"".join(rebuild_tar(staging.path))


def test_names_of_whiteouts_are_refused(store: Store, tmp_path: Path) -> None:
    (tmp_path / "diff/d").mkdir(parents=True)
    (tmp_path / "diff/d/.wh.passwd").write_bytes(b"")
    with pytest.raises(StorageError, match=r"^/d/\.wh\.passwd: an image cannot hold a name that begins with \.wh\."):
        adopted(store, tmp_path / "diff")


def test_times_before_1970(store: Store, tmp_path: Path) -> None:
    (tmp_path / "diff").mkdir()
    (tmp_path / "diff/old").write_bytes(b"")
    os.symlink("old", tmp_path / "diff/link")
    os.utime(tmp_path / "diff/old", (-5, -5))
    os.utime(tmp_path / "diff/link", (-5, -5), follow_symlinks=False)
    with tarfile.open(fileobj=io.BytesIO(adopted(store, tmp_path / "diff"))) as archive:
        assert [(one.name, one.mtime) for one in archive] == [("link", 0), ("old", 0)]


@pytest.mark.root
def test_marks_of_the_other_kind_of_overlay_are_not_obeyed(store: Store, tmp_path: Path) -> None:
    for name in ("diff/marked", "diff/opaque"):
        (tmp_path / name).mkdir(parents=True)
    os.setxattr(tmp_path / "diff/marked", "user.overlay.opaque", b"y")
    os.setxattr(tmp_path / "diff/marked", "user.overlay.overlay.x", b"y")
    os.setxattr(tmp_path / "diff/opaque", "trusted.overlay.opaque", b"y")
    with tarfile.open(fileobj=io.BytesIO(adopted(store, tmp_path / "diff"))) as archive:
        assert archive.getnames() == ["marked", "opaque", "opaque/.wh..wh..opq"]
        assert archive.getmember("marked").pax_headers == {}


def test_a_layer_is_kept_as_long_as_its_step(store: Store) -> None:
    filled(store)
    step = build_cache.find(store, "step")
    assert step is not None
    gc.sweep(store)
    assert store.lower(step.layer)
    assert build_cache.find(store, "step", since=2.0) is None
    with store.publishing():
        assert build_cache.prune(store) == 0
    assert build_cache.prune(store, before=0.5) == 0
    assert build_cache.find(store, "step") is not None
    assert build_cache.prune(store) > 300_000
    assert not store.lower(step.layer)
    assert build_cache.find(store, "step") is None


def test_use_is_noted_now_and_then(store: Store) -> None:
    build_cache.keep(store, Step("old", "", "", 0, 1.0, 1.0))
    [step] = build_cache.steps(store)
    build_cache.note_use(store, [step])
    [noted] = build_cache.steps(store)
    assert noted.used > step.used
    build_cache.note_use(store, [noted])
    assert build_cache.steps(store) == [noted]
