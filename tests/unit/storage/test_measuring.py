"""How many bytes trees have, and how many would be had back without them."""

from __future__ import annotations

import os
from pathlib import Path

from storage import database
from storage.measuring import freed_with, size_of
from storage.trees import remove_tree


def test_files_with_several_names(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    (tmp_path / "a/one").write_bytes(b"x" * 100)
    os.link(tmp_path / "a/one", tmp_path / "b/one")
    (tmp_path / "b/two").write_bytes(b"x" * 7)
    (tmp_path / "c/link").symlink_to("../a/one")
    os.mkfifo(tmp_path / "c/fifo")
    a, b, c = (str(tmp_path / name) for name in "abc")
    assert size_of([a, b, c]) == size_of([str(tmp_path)]) == 107
    assert (size_of([b]), freed_with([b]), freed_with([a, b])) == (107, 7, 107)
    assert size_of([f"{a}/one", f"{a}/none", c]) == 100


def test_a_tree_of_any_depth(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    fd = os.open(top, os.O_PATH)
    for _ in range(1500):
        os.mkdir("d", dir_fd=fd)
        below = os.open("d", os.O_PATH, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=fd))
    os.truncate(f"/proc/self/fd/{fd}/file", 3)
    os.close(fd)
    assert size_of([str(top)]) == 3
    remove_tree(str(top))


def test_room_in_the_database_is_given_back(tmp_path: Path) -> None:
    path = tmp_path / "pod.db"
    connection = database.connect(str(path), readonly=False)
    connection.execute("CREATE TABLE big (content BLOB)")
    connection.execute("INSERT INTO big VALUES (zeroblob(3000000))")
    assert database.compact(connection) == 0
    connection.execute("DELETE FROM big")
    assert database.compact(connection) > 2_900_000
    assert path.stat().st_size < 100_000
    connection.close()
