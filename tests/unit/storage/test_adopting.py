"""Directories that become layers as they are."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import adopting, build_cache, gc
from storage.build_cache import Step
from storage.layers.rebuild import rebuild_tar
from storage.layers.verify import tree_damage
from storage.layers.write import WriteOptions, tar_of
from storage.store import Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(str(tmp_path / "root"))
    yield opened
    opened.close()


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
