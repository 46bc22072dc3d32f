"""What `system check --repair` does when others were at work since it has looked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pod import repair, state
from pod.config import Config
from pod.engine import Engine
from storage import images
from storage.check import IMAGE, Damage
from storage.publish import NewImage, publish_image
from storage.store import open_store


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine with a store of its own."""
    roots = {"graphroot": str(tmp_path / "store"), "runroot": str(tmp_path / "run")}
    store = open_store(roots["graphroot"])
    state.migrate(store.connection)
    yield Engine(Config(**roots, uid=os.getuid(), rootless=False, home="/", user=""), store)
    store.close()


def test_an_image_that_was_pulled_anew_stays(engine: Engine) -> None:
    config, manifest = b'{"rootfs":{"diff_ids":[]}}', b"{}"
    digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    image = NewImage(config, manifest, "", (digest,), 0.0, "", "", ())
    publish_image(engine.store, image, ["localhost/a:latest"])
    before = [Damage(IMAGE, image.id, "layer 0 is missing")]
    assert repair._remove(engine, before, set(), force=True) == ([], [])
    assert images.ids(engine.store) == {image.id}


def test_nowhere_has_an_image_that_is_not_there_any_more(engine: Engine) -> None:
    assert list(repair._origins(engine, "0" * 64, f"sha256:{'0' * 64}")) == []
