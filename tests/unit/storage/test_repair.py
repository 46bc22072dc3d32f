"""Mending a store in which others are at work: what they remove, use or pull anew meanwhile is no damage any more."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from storage import chain, images, transfer
from storage.check import Damage, find, persists
from storage.errors import ImageNotFoundError
from storage.images import Image
from storage.layers import verify
from storage.reference import normalize
from storage.registry.options import RegistryOptions
from storage.registry.origin import RegistryOrigin
from storage.repair import Repairer, Report
from storage.store import Store
from tests.fakes.registry import FakeRegistry
from tests.fixtures.images import entry, tar
from tests.fixtures.trusting import accept_anything

OPTIONS = RegistryOptions(retries=0)
ROOTLESS = os.getuid() != 0


def pull(store: Store, registry: FakeRegistry) -> Image:
    trust = accept_anything(OPTIONS)
    reference = normalize(f"{registry.domain}/a:1")
    return transfer.pull(store, reference, options=OPTIONS, trust=trust, rootless=ROOTLESS, single_id=ROOTLESS)


@pytest.fixture
def image(store: Store, registry: FakeRegistry) -> Image:
    """An image of two layers, `one` and `two`."""
    registry.add_image("a", "1", [tar(entry(name, name.encode())) for name in ("one", "two")])
    return pull(store, registry)


def nowhere(_image: str, _digest: str) -> Iterator[RegistryOrigin]:
    return iter(())


def repair(store: Store, damage: list[Damage], busy: Callable[[], dict[str, str]] = dict) -> Report:
    assert damage
    return Repairer(store, nowhere, lambda: accept_anything(OPTIONS), busy, ROOTLESS, ROOTLESS).repair(damage)


def change_modes(store: Store, image: Image) -> None:
    for name, layer in zip(("one", "two"), image.layers, strict=True):
        Path(store.layer_path(layer), "diff", name).chmod(0o600)


def assert_gone(store: Store, image: Image) -> None:
    with pytest.raises(ImageNotFoundError):
        images.load(store, image.id)
    assert find(store, deep=True, unused_seconds=0) == []
    assert os.listdir(store.layers) == []


def test_an_image_that_is_removed_while_its_layer_is_mended(
    store: Store, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_modes(store, image)
    damage = find(store)
    look = verify.content_damage

    def remove_and_look(path: str, diff_id: str) -> str:
        monkeypatch.undo()
        images.remove(store, image.id, force=True)
        return look(path, diff_id)

    monkeypatch.setattr(verify, "content_damage", remove_and_look)
    assert repair(store, damage).failed == []
    assert_gone(store, image)


def test_an_image_that_is_removed_while_its_rows_are_written(
    store: Store, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.connection.execute("DELETE FROM image_digest")
    damage = find(store)
    keys = chain.keys

    def tell_and_remove(*arguments: Any) -> tuple[str, ...]:
        monkeypatch.undo()
        found = keys(*arguments)
        images.remove(store, image.id, force=True)
        return found

    monkeypatch.setattr(chain, "keys", tell_and_remove)
    assert repair(store, damage) == Report()
    assert_gone(store, image)


def test_an_image_that_is_removed_while_it_is_looked_for(
    store: Store, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.unlink(f"{store.layer_path(image.layers[0])}/headers.zst")
    damage = find(store)

    def remove(found: str, digest: str) -> Iterator[RegistryOrigin]:
        images.remove(store, image.id, force=True)
        return nowhere(found, digest)

    mender = Repairer(store, remove, lambda: accept_anything(OPTIONS), dict, ROOTLESS, ROOTLESS)
    assert mender.repair(damage) == Report()
    assert_gone(store, image)


def test_a_container_that_is_started_meanwhile_keeps_its_layers(store: Store, image: Image) -> None:
    change_modes(store, image)
    answers = [{}, {image.id: "container one"}]
    report = repair(store, find(store), lambda: answers.pop(0))
    assert len(report.mended) == 1
    assert "container one is running on it" in report.failed[0]
    assert len(find(store)) == 1


def test_damage_that_is_gone_is_told_from_what_is_left(store: Store, registry: FakeRegistry, image: Image) -> None:
    change_modes(store, image)
    store.connection.execute("DELETE FROM image_digest")
    damage = find(store)
    assert [persists(store, one) for one in damage] == [True] * 3
    images.remove(store, image.id, force=True)
    assert [persists(store, one) for one in damage] == [False] * 3
    pull(store, registry)
    assert [persists(store, one) for one in damage] == [False] * 3
