"""What --userns of build and its like ask for, in the words of buildah."""

from __future__ import annotations

import pytest

from pod.build.steps import own_users
from pod.build.steps.own_users import Ids, Wanted
from pod.containers.create import CreateOptions
from pod.errors import PodError


def parsed(how: str | None = None, *uids: str, gids: tuple[str, ...] = ()) -> Wanted:
    return own_users.parse(how, uids, gids, "", "")


def test_modes() -> None:
    assert parsed() == parsed("host") == Wanted("host")
    assert parsed("") == parsed("container") == parsed("private") == Wanted("private")
    assert parsed("auto:size=5").mode == "auto:size=5"
    assert parsed("/proc/self/ns/user") == parsed("ns:/proc/self/ns/user") == Wanted("ns:/proc/self/ns/user")


def test_entries_of_maps() -> None:
    expected = Wanted("private", ("0:1000:5", "5:2000:10"), ("0:7:1",))
    assert parsed(None, "0:1000:5", "5 2000/10", gids=("0:7:1",)) == expected
    assert parsed("private", "0:1000:5:5:2000:10", gids=("0:7:1",)) == expected
    for text in ("", "0:1", "0:1:2:3", "0:1:0", "0:4294967296:1", "1" * 5000, "x"):
        with pytest.raises(PodError, match="is not in the form containerid:hostid:size"):
            parsed(None, text)
    for how in ("host", "auto", "/proc/self/ns/user"):
        with pytest.raises(PodError, match=r"ID mappings|mutually exclusive"):
            parsed(how, "0:1:2")


def test_what_a_container_is_told() -> None:
    options = CreateOptions()
    parsed(None, "0:1000:5").apply(options)
    assert options.id_map_flags is not None
    assert (options.id_map_flags.uid, options.id_map_flags.gid) == (["0:1000:5"], [])
    options = CreateOptions()
    Wanted("private", ("0:1000:5",), (), "", "staff").apply(options)
    assert options.id_map_flags is not None
    assert (options.id_map_flags.uid, options.id_map_flags.subgid) == (["u0:1000:5"], "staff")
    options = CreateOptions()
    Wanted().apply(options)
    assert (options.namespaces["user"], options.id_map_flags) == ("host", None)


def test_what_is_seen_of_a_map() -> None:
    assert parsed().seen() == {}
    assert parsed("private").seen() != parsed(None, "0:1000:5").seen() != parsed(None, "0:1001:5").seen()


def test_ids_outside() -> None:
    ids = Ids(((0, 1000, 10),), ((0, 2000, 10),))
    assert ids.of(3, 4) == (1003, 2004)
    assert ids.of(10, 10) == (10, 10)
    assert own_users.HOST.of(3, 4) == (3, 4)
