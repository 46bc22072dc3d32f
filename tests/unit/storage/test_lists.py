"""Lists of manifests: which image one stands for, and how they and their names come and go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from storage import images, lists, platform
from storage.errors import ImageInUseError, ImageNotFoundError, ReadOnlyImageError
from storage.store import Store, open_store
from tests.unit.storage.test_images import DIGEST, add_image

OTHER = "sha256:" + "e" * 64


def member(digest: str, architecture: str = "", variant: str = "") -> dict[str, Any]:
    here = platform.host()
    found = {"os": "linux", "architecture": architecture or here.architecture, "variant": variant or here.variant}
    return {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": 2, "platform": found}


def add_list(store: Store, name: str, *members: dict[str, Any]) -> str:
    list_id = lists.create(store, name)

    def fill(found: lists.ManifestList) -> None:
        for one in members:
            lists.put(found, one, "docker://x")

    lists.change(store, list_id, fill)
    return list_id


def test_a_list_stands_for_its_image_for_this_machine(store: Store) -> None:
    image = add_image(store, "a", "localhost/img:1")
    list_id = add_list(store, "many:1", member(OTHER, "mips64"), member(DIGEST))
    for text in ("many:1", "localhost/many:1", list_id[:12], f"sha256:{list_id}"):
        assert images.find(store, text) == (image, "localhost/many:1")


def test_a_list_that_has_none(store: Store) -> None:
    add_image(store, "a", "localhost/img:1")
    add_list(store, "empty")
    add_list(store, "foreign", member(DIGEST, "mips64"))
    add_list(store, "away", member(OTHER))
    with pytest.raises(ImageNotFoundError, match=r"no image found in image index for .*: image not known"):
        images.find(store, "empty")
    with pytest.raises(ImageNotFoundError, match=r"no image found in image index for .*: image not known") as raised:
        images.find(store, "foreign")
    assert "mips64" in raised.value.hint
    with pytest.raises(ImageNotFoundError, match=f"could not find image instance {OTHER} of manifest list"):
        images.find(store, "away")


def test_one_name_of_several_goes_alone(store: Store) -> None:
    list_id = add_list(store, "many")
    lists.tag(store, list_id, "more")
    with pytest.raises(ImageInUseError, match=f"unable to delete image {list_id} by ID with more than one tag"):
        lists.remove(store, list_id)
    removed = lists.remove(store, list_id, name="localhost/more:latest")
    assert (removed.untagged, removed.deleted) == (("localhost/more:latest",), None)
    assert lists.remove(store, list_id).deleted == list_id
    assert lists.every(store) == []


def test_force_takes_all_names(store: Store) -> None:
    list_id = add_list(store, "many")
    lists.tag(store, list_id, "more")
    removed = lists.remove(store, list_id, force=True)
    assert (removed.untagged, removed.deleted) == (("localhost/many:latest", "localhost/more:latest"), list_id)


def test_untag_leaves_the_list(store: Store) -> None:
    list_id = add_list(store, "many")
    with pytest.raises(ImageNotFoundError, match="localhost/no:latest: tag not known"):
        lists.untag(store, list_id, ["localhost/no:latest"])
    assert lists.untag(store, list_id) == ("localhost/many:latest",)
    assert lists.load(store.connection, list_id).names == ()
    assert lists.find_id(store, "many") is None


def test_prune(store: Store) -> None:
    named, bare = add_list(store, "many"), add_list(store, "bare")
    lists.untag(store, bare)
    assert lists.prune(store, keep=[bare]) == []
    assert [one.deleted for one in lists.prune(store)] == [bare]
    assert [one.deleted for one in lists.prune(store, all=True)] == [named]


def test_gather_finds_or_makes_the_list(store: Store) -> None:
    first = lists.gather(store, [(member(DIGEST, "amd64"), "image:a")], ["localhost/also:1"], "made")
    other = OTHER
    assert lists.gather(store, [(member(other, "arm64"), "image:b")], [], "made") == first
    found = lists.find(store, "made")
    assert found.names == ("localhost/also:1", "localhost/made:latest")
    assert set(found.sources) == {DIGEST, other}
    # By its ID it gets no name.
    assert lists.gather(store, [], [], first[:12]) == first
    assert lists.find(store, "made").names == found.names


def test_gather_leaves_an_image_its_name(store: Store) -> None:
    image = add_image(store, "a", "localhost/taken:latest")
    with pytest.raises(lists.NotListError, match="localhost/taken:latest: image is not a manifest list"):
        lists.gather(store, [], ["localhost/free:latest"], "taken")
    assert images.find(store, "taken")[0] == image
    assert lists.find_id(store, "free") is None


@pytest.fixture
def further(store: Store, tmp_path: Path) -> Iterator[Store]:
    """A further store of `store`."""
    other = open_store(str(tmp_path / "further"))
    store.additional = [other.root]
    yield other
    other.close()


def test_lists_of_further_stores_are_known(store: Store, further: Store) -> None:
    image = add_image(further, "a", "localhost/img:1")
    list_id = add_list(further, "both", member(DIGEST), member(OTHER, "mips64"))
    for text, name in (("both", "localhost/both:latest"), (list_id[:12], None)):
        known = lists.known(store, text)
        assert known is not None
        assert (known[0].id, len(known[0].members), known[1]) == (list_id, 2, name)
    assert lists.find(store, "both").id == list_id
    assert lists.instance(store, lists.find(store, "both")) == (image, "localhost/both:latest")
    assert lists.known(store, "img:1") is None
    assert lists.known(store, "nothing") is None


def test_lists_of_further_stores_are_not_changed(store: Store, further: Store) -> None:
    list_id = add_list(further, "both", member(DIGEST))
    add_image(further, "a", "localhost/img:1")
    for change in (lists.changeable, lists.meant):
        with pytest.raises(ReadOnlyImageError, match=list_id):
            change(store, "both")
    assert lists.changeable(store, "img:1") is None
    own = lists.create(store, "both")
    assert lists.changeable(store, "both") == lists.meant(store, "both") == (own, "localhost/both:latest")


def test_what_comes_first_hides_a_list_of_a_further_store(store: Store, further: Store, tmp_path: Path) -> None:
    last = open_store(str(tmp_path / "last"))
    store.additional = [further.root, last.root]
    add_list(last, "both")
    last.close()
    add_image(further, "a", "localhost/both:latest")
    assert lists.known(store, "both") is None
    with pytest.raises(lists.NotListError, match="localhost/both:latest: image is not a manifest list"):
        lists.find(store, "both")
