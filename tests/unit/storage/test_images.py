"""Images: how texts find them, and how names come and go."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from storage import database, images
from storage.errors import BadReferenceError, ImageInUseError, ImageNotFoundError, NoImageNameError, StorageError
from storage.publish import NewImage, publish_image
from storage.rootfs import lowers
from storage.store import Store, boot_id, open_store

DIGEST = "sha256:" + "d" * 64


def add_layer(store: Store, name: str, durable: int = 0, boot: str | None = None) -> str:
    key = hashlib.sha256(name.encode()).hexdigest()
    os.makedirs(f"{store.layer_path(key)}/diff", exist_ok=True)
    store.connection.execute(
        "INSERT OR IGNORE INTO layer (key, diff_id, size, entries, boot_id, durable, created) VALUES (?,?,?,?,?,?,?)",
        (key, f"sha256:{key}", 100, 1, boot or boot_id(), durable, 1.0),
    )
    return key


def add_image(store: Store, config: str, *names: str, layers: tuple[str, ...] = ("base",), digest: str = DIGEST) -> str:
    keys = [add_layer(store, name) for name in layers]
    image = NewImage(
        config=config.encode(),
        manifest=b"{}",
        media_type="application/vnd.oci.image.manifest.v1+json",
        digests=(digest,),
        created=float(len(config)),
        architecture="amd64",
        os="linux",
        layers=tuple((f"sha256:{key}", key) for key in keys),
    )
    publish_image(store, image, names)
    return image.id


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        (
            "docker.io/library/debian:latest",
            ["debian", "debian:latest", "docker.io/debian", "library/debian", "docker.io/library/debian"],
        ),
        ("docker.io/bitnami/redis:7", ["bitnami/redis:7", "redis:7", "docker.io/bitnami/redis:7"]),
        ("localhost/mine:latest", ["mine", "localhost/mine", "mine:latest"]),
        ("quay.io:5000/a/b/c:v1", ["quay.io:5000/a/b/c:v1", "c:v1", "b/c:v1", "a/b/c:v1"]),
        (f"quay.io/a/b@{DIGEST}", [f"quay.io/a/b@{DIGEST}"]),
    ],
)
def test_texts_that_find(store: Store, name: str, texts: list[str]) -> None:
    image_id = add_image(store, "{}", name)
    for text in texts:
        assert images.find(store, text) == (image_id, name)
    for text in (image_id, image_id[:12], image_id[:2], f"sha256:{image_id}", f"sha256:{image_id[:8]}"):
        assert images.find(store, text) == (image_id, None)


@pytest.mark.parametrize("text", ["nope", "debian:11", "ebian", "quay.io/library/debian", "library/debia", "0" * 64])
def test_texts_that_find_nothing(store: Store, text: str) -> None:
    add_image(store, "{}", "docker.io/library/debian:latest")
    with pytest.raises(ImageNotFoundError, match="image not known"):
        images.find(store, text)


@pytest.mark.parametrize("text", ["", "a b", "A", "no;touch pwned"])
def test_texts_that_are_no_names(store: Store, text: str) -> None:
    with pytest.raises(NoImageNameError, match=f'parsing reference "{text}": invalid reference format'):
        images.find(store, text)


def test_localhost_goes_before_docker(store: Store) -> None:
    add_image(store, "a", "docker.io/library/debian:latest")
    mine = add_image(store, "b", "localhost/debian:latest")
    assert images.find(store, "debian") == (mine, "localhost/debian:latest")


def test_the_configuration_is_asked_where_the_store_cannot_tell(store: Store) -> None:
    asked: list[str] = []

    def likely(text: str) -> list[str]:
        asked.append(text)
        return ["quay.io/moved:latest", "quay.io/app:latest"]

    store.short_names = likely
    alone = add_image(store, "a", "ghcr.io/app:latest")
    assert images.find(store, "app") == images.find(store, "ghcr.io/app") == (alone, "ghcr.io/app:latest")
    assert images.find(store, alone[:12]) == (alone, None)
    assert asked == []
    second = add_image(store, "b", "quay.io/app:latest")
    assert images.find(store, "app") == (second, "quay.io/app:latest")
    moved = add_image(store, "c", "quay.io/moved:latest")
    assert images.find(store, "short") == (moved, "quay.io/moved:latest")
    assert asked == ["app", "short"]


def test_wildcards_of_sql_are_letters(store: Store) -> None:
    add_image(store, "a", "quay.io/x/a-b:latest")
    with pytest.raises(ImageNotFoundError):
        images.find(store, "a_b")


def test_ambiguity_is_an_error(store: Store) -> None:
    add_image(store, "a", "quay.io/x/app:latest")
    add_image(store, "b", "ghcr.io/y/app:latest")
    with pytest.raises(StorageError, match="ambiguous"):
        images.find(store, "app")
    for number in range(300):
        add_image(store, f"{number}")
    with pytest.raises(StorageError, match="ambiguous"):
        images.find(store, hashlib.sha256(b"7").hexdigest()[:1])


def test_digests(store: Store) -> None:
    image_id = add_image(store, "{}", "docker.io/library/debian:latest", "quay.io/debian:12")
    assert images.find(store, f"debian@{DIGEST}") == (image_id, None)
    assert images.find(store, f"debian:11@{DIGEST}") == (image_id, None)
    assert images.find(store, DIGEST) == (image_id, None)
    assert images.resolve(store, image_id).repo_digests == (
        f"docker.io/library/debian@{DIGEST}",
        f"quay.io/debian@{DIGEST}",
    )
    for text in (f"fedora@{DIGEST}", "debian@sha256:" + "e" * 64):
        with pytest.raises(ImageNotFoundError):
            images.find(store, text)


def test_image_has_what_was_recorded(store: Store) -> None:
    image_id = add_image(store, "{}", "localhost/a:1", layers=("base", "top", "base"))
    image = images.resolve(store, "a:1")
    assert (image.id, image.names, image.config, image.size) == (image_id, ("localhost/a:1",), b"{}", 200)
    assert len(image.layers) == 3
    assert image.layers[0] == image.layers[2]
    assert [one.id for one in images.list_images(store)] == [image_id]


def test_a_name_moves(store: Store) -> None:
    old = add_image(store, "old", "localhost/a:1")
    new = add_image(store, "newer", "localhost/a:1")
    assert images.resolve(store, "a:1").id == new
    assert images.load(store, old).names == ()
    images.tag(store, old, "a:1")
    assert images.load(store, new).names == ()
    assert [image.id for image in images.list_images(store)] == [new, old]


def test_tag(store: Store) -> None:
    image_id = add_image(store, "{}")
    for name, full in [
        ("b", "localhost/b:latest"),
        ("x/b:2", "localhost/x/b:2"),
        ("docker.io/debian", "docker.io/library/debian:latest"),
    ]:
        images.tag(store, image_id, name)
        assert full in images.load(store, image_id).names
    with pytest.raises(BadReferenceError):
        images.tag(store, image_id, "NO")
    with pytest.raises(StorageError, match="digest"):
        images.tag(store, image_id, f"a@{DIGEST}")
    with pytest.raises(ImageNotFoundError):
        images.tag(store, "f" * 64, "b")
    assert images.resolve(store, "b").id == image_id


def test_untag(store: Store) -> None:
    image_id = add_image(store, "{}", "localhost/a:1", "localhost/b:1", "localhost/c:1")
    assert images.untag(store, image_id, ["localhost/a:1"]) == ("localhost/a:1",)
    with pytest.raises(ImageNotFoundError):
        images.untag(store, image_id, ["localhost/b:1", "localhost/zzz:1"])
    assert images.untag(store, image_id) == ("localhost/b:1", "localhost/c:1")
    assert images.load(store, image_id).names == ()


def test_remove_untags_while_there_are_other_names(store: Store) -> None:
    image_id = add_image(store, "{}", "localhost/a:1", "localhost/b:1")
    removed = images.remove(store, image_id, name="localhost/a:1")
    assert (removed.untagged, removed.deleted) == (("localhost/a:1",), None)
    removed = images.remove(store, image_id, name="localhost/b:1")
    assert (removed.untagged, removed.deleted) == (("localhost/b:1",), image_id)
    assert os.listdir(store.layers) == os.listdir(store.trash) == []
    assert store.connection.execute("SELECT count(*) FROM layer").fetchone() == (0,)
    with pytest.raises(ImageNotFoundError):
        images.remove(store, image_id)


def test_remove_by_id_of_several_names_wants_force(store: Store) -> None:
    image_id = add_image(store, "{}", "localhost/a:1", "localhost/b:1")
    with pytest.raises(ImageInUseError, match="more than one tag"):
        images.remove(store, image_id)
    assert images.remove(store, image_id, force=True).deleted == image_id


def test_remove_keeps_layers_that_others_have(store: Store) -> None:
    first = add_image(store, "a", layers=("base", "one"))
    second = add_image(store, "b", layers=("base", "two"))
    copy = store.layer_path(hashlib.sha256(b"one").hexdigest()) + ".0123"
    os.mkdir(copy)
    images.remove(store, first)
    assert len(os.listdir(store.layers)) == 2
    assert not os.path.exists(copy)
    assert len(lowers(store, images.load(store, second))) == 2


def test_pinned_images_stay(store: Store) -> None:
    image_id = add_image(store, "{}", "localhost/a:1")
    with database.transaction(store.connection) as connection:
        images.pin(connection, image_id, "container")
    for force in (False, True):
        with pytest.raises(ImageInUseError, match="container"):
            images.remove(store, image_id, force=force)
    assert images.prune(store, all=True) == []
    assert images.pins(store, image_id) == ["container"]
    with pytest.raises(ImageNotFoundError), database.transaction(store.connection) as connection:
        images.pin(connection, "f" * 64, "other")
    with database.transaction(store.connection) as connection:
        images.unpin(connection, "container")
    assert images.remove(store, image_id).deleted == image_id


def test_prune(store: Store) -> None:
    named = add_image(store, "a", "localhost/a:1")
    dangling = add_image(store, "b")
    kept = add_image(store, "c")
    assert [one.deleted for one in images.prune(store, keep=[kept])] == [dangling]
    assert {one.deleted for one in images.prune(store, all=True)} == {named, kept}
    assert images.list_images(store) == []


def test_lowers_are_top_first_and_there(store: Store) -> None:
    image_id = add_image(store, "{}", "localhost/a:1", layers=("base", "middle", "top"))
    image = images.load(store, image_id)
    paths = lowers(store, image)
    assert [path.split("/")[-2] for path in paths] == [one.removeprefix("sha256:") for one in reversed(image.layers)]
    os.rmdir(paths[1])
    with pytest.raises(StorageError, match="missing") as failure:
        lowers(store, image)
    assert failure.value.hint == "pod system check --repair mends it, or pod pull"


def test_layers_of_a_lost_boot_are_not_trusted(store: Store) -> None:
    image_id = add_image(store, "{}", "localhost/a:1")
    store.connection.execute("UPDATE layer SET boot_id = 'another'")
    with pytest.raises(StorageError, match="damaged when the machine stopped"):
        lowers(store, images.load(store, image_id))
    store.connection.execute("UPDATE layer SET durable = 1")
    assert len(lowers(store, images.load(store, image_id))) == 1


def test_reading_a_store_that_is_not_there_writes_nothing(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "none"), readonly=True)
    assert images.list_images(store) == []
    with pytest.raises(ImageNotFoundError):
        images.resolve(store, "debian")
    store.close()
    assert not (tmp_path / "none").exists()
