"""What `image inspect` and `history` tell of configs that say `null` where a text belongs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pod.images import views
from storage import images
from storage.documents import DOCKER_MANIFEST, OCI_MANIFEST
from storage.publish import NewImage, publish_image
from storage.store import Store, open_store

STEP = {"comment": None, "created": None, "created_by": None}
CONFIG = {"author": None, "comment": None, "docker_version": None, "config": {"User": None}, "history": [STEP]}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store of the test's own."""
    opened = open_store(str(tmp_path / "store"))
    yield opened
    opened.close()


@pytest.mark.parametrize("media_type", [DOCKER_MANIFEST, OCI_MANIFEST])
def test_null_is_told_as_an_empty_text(store: Store, media_type: str) -> None:
    digest = f"sha256:{'d' * 64}"
    image = NewImage(json.dumps(CONFIG).encode(), b"{}", media_type, (digest,), 1.0, "amd64", "linux", ())
    publish_image(store, image, [])
    found = images.load(store, image.id)
    told = views.inspect(store, found)
    assert [told[name] for name in ("Author", "Comment", "User", "Version")] == [""] * 4
    (step,) = views.history(store, found)
    assert [step[name] for name in ("comment", "created", "created_by")] == ["", "0001-01-01T00:00:00Z", ""]
