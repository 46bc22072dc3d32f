from __future__ import annotations

import pytest

from pod.containers.namespaces import id_maps
from pod.errors import PodError

PARENT = [(0, 1000, 1), (1, 100000, 65536)]


def of(
    *texts: str, kind: str = "UID", parent: id_maps.IdMap | None = None, base: id_maps.IdMap | None = None
) -> object:
    return id_maps.combine(id_maps.read(texts, kind, parent), base or [])


def test_entries() -> None:
    assert of("0:100000:5000") == [(0, 100000, 5000)]
    assert of("7:9") == [(7, 9, 1)]
    assert of("5:1:2", "0:100:3") == [(0, 100, 3), (5, 1, 2)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "a:b:c",
        "1:2:3:4",
        "0:0:0",
        "-1:0:1",
        "x0:0:1",
        "0:0:1x",
        "0:@:1",
        "4294967295:0:1",
        "0:4294967290:6",
        "²:0:1",
    ],
)
def test_what_is_no_entry(text: str) -> None:
    with pytest.raises(PodError, match="UID setting is malformed expected"):
        of(text)


def test_flags_choose_users_or_groups() -> None:
    assert of("0:5:1", "u1:6:1", "g1:7:1") == [(0, 5, 1), (1, 6, 1)]
    assert of("0:5:1", "u1:6:1", "g1:7:1", kind="GID") == [(0, 5, 1), (1, 7, 1)]
    assert of("ug3:4:1", kind="GID") == [(3, 4, 1)]


def test_an_extending_entry_replaces_what_stands_in_its_way() -> None:
    """The example of podman-run(1)."""
    assert of("0:0:65000", "+100000:1:1") == [(0, 0, 1), (2, 2, 64998), (100000, 1, 1)]
    assert of("0:0:10", "+3:7:2") == [(0, 0, 3), (3, 7, 2), (5, 5, 2), (9, 9, 1)]


def test_overlapping_entries_are_refused() -> None:
    with pytest.raises(PodError, match="overlap at 5"):
        of("0:0:10", "5:100:1")
    with pytest.raises(PodError, match="overlap at 5"):
        of("0:0:10", "50:5:1")


def test_ids_of_the_host_are_translated() -> None:
    assert of("7:@1000:1", parent=PARENT) == [(7, 0, 1)]
    assert of("7:@100005:3", parent=PARENT) == [(7, 6, 3)]
    assert of("7:@1000:1", parent=None) == [(7, 1000, 1)]
    with pytest.raises(PodError, match="parent ID UID 999 is not mapped/delegated"):
        of("7:@999:2", parent=PARENT)


def test_gaps_are_filled_with_what_is_left() -> None:
    assert id_maps.fill([(50, 0, 1)], PARENT) == [(0, 1, 50), (50, 0, 1), (51, 51, 65486)]
    assert id_maps.fill([(2, 5, 1)], [(0, 9, 1), (1, 20, 6)]) == [(0, 0, 1), (1, 1, 1), (2, 5, 1), (3, 2, 3), (6, 6, 1)]


def test_what_is_left_of_ranges() -> None:
    assert id_maps.subtract([(0, 10), (20, 5)], [(3, 2), (8, 14)]) == [(0, 3), (5, 3), (22, 3)]
    assert id_maps.subtract([(5, 5)], [(0, 20)]) == []


def test_unused_ids_are_given_in_one_piece_if_there_is_one() -> None:
    free = [(100, 50), (1000, 500)]
    assert id_maps.allocate(60, free, [], []) == [(0, 1000, 60)]
    assert id_maps.allocate(40, free, [(100, 20)], []) == [(0, 1000, 40)]
    assert id_maps.allocate(520, free, [], []) == [(0, 100, 50), (50, 1000, 470)]
    assert id_maps.allocate(551, free, [], []) is None
    assert id_maps.allocate(10, free, [], [(5, 7, 2)]) == [(0, 100, 5), (5, 7, 2), (7, 105, 3)]
