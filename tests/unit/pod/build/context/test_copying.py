"""Copying a selection into a root file system: destinations, attributes, what is replaced, and hostile root files."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pod.build.context import selection
from pod.build.context.copying import Change, Copied, copy
from pod.build.context.modes import Mode
from pod.errors import PodError
from storage.errors import StorageError

OWN = (os.geteuid(), os.getegid())


class Place:
    """A context and a root file system, beside something that is nobody's business."""

    def __init__(self, top: Path) -> None:
        self.context = top / "context"
        self.rootfs = top / "rootfs"
        self.outside = top / "outside"
        for path in (self.context, self.rootfs, self.outside):
            path.mkdir()
        (self.outside / "victim").write_text("untouched")
        self.descriptors = [os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in (self.context, self.rootfs)]

    def write(self, **files: str) -> None:
        for name, text in files.items():
            path = self.context / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def copy(self, *sources: str, to: str, workdir: str = "/", mode: str = "", parents: bool = False) -> Copied:
        chosen = selection.select(self.descriptors[0], sources, selection.Wanted(parents=parents))
        return self.put(chosen, to, workdir=workdir, mode=mode)

    def put(self, chosen: selection.Selection, to: str, *, workdir: str = "/", mode: str = "") -> Copied:
        change = Change(owner=OWN, mode=Mode(mode) if mode else None)
        return copy(chosen, self.descriptors[1], to, workdir=workdir, change=change)

    def there(self) -> list[str]:
        found = [str(path.relative_to(self.rootfs)) for path in self.rootfs.rglob("*")]
        assert (self.outside / "victim").read_text() == "untouched"
        assert os.listdir(self.outside) == ["victim"]
        return sorted(found)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    for descriptor in made.descriptors:
        os.close(descriptor)


@pytest.mark.parametrize(
    ("sources", "to", "workdir", "expected"),
    [
        (["a"], "/x", "/", ["x"]),
        (["a"], "/x/", "/", ["x", "x/a"]),
        (["a"], "x/y", "/w/e", ["w", "w/e", "w/e/x", "w/e/x/y"]),
        (["a"], ".", "/w", ["w", "w/a"]),
        (["a"], "..", "/w/v", ["w", "w/a"]),
        (["a"], "/../../x", "/", ["x"]),
        (["a", "b"], "/x", "/", ["x", "x/a", "x/b"]),
        (["d"], "/x", "/", ["x", "x/f", "x/sub", "x/sub/g"]),
        (["d/"], "/", "/", ["f", "sub", "sub/g"]),
        (["?"], "/", "/", ["a", "b", "f", "sub", "sub/g"]),
    ],
)
def test_destinations(place: Place, sources: list[str], to: str, workdir: str, expected: list[str]) -> None:
    place.write(a="1", b="2", d__f="3", d__sub__g="4")
    assert not place.copy(*sources, to=to, workdir=workdir).changed
    assert place.there() == expected


def test_into_what_is_there(place: Place) -> None:
    place.write(a="1", d__f="2")
    (place.rootfs / "etc").mkdir(mode=0o711)
    (place.rootfs / "file").write_text("")
    place.copy("a", to="/etc")
    assert place.there() == ["etc", "etc/a", "file"]
    assert stat.S_IMODE((place.rootfs / "etc").stat().st_mode) == 0o711
    for source, to in (("d", "/file"), ("a", "/file/"), ("a", "/file/x")):
        with pytest.raises(PodError, match=r"/file already exists but is not a directory|/file is not a directory"):
            place.copy(source, to=to)


def test_attributes(place: Place) -> None:
    place.write(d__f="1", d__sub__g="2")
    place.context.joinpath("d/f").chmod(0o6751)
    place.context.joinpath("d/sub").chmod(0o1700)
    os.setxattr(place.context / "d/f", "user.some", b"value")
    os.setxattr(place.context / "d/sub", "user.some", b"value")
    for name in ("d/f", "d/sub/g", "d/sub"):
        os.utime(place.context / name, ns=(1, 1_000_000_007))
    place.copy("d", to="/x")
    for name, mode in (("f", 0o751), ("sub", 0o1700), ("sub/g", 0o644)):
        found = (place.rootfs / "x" / name).stat()
        assert (found.st_mtime_ns, stat.S_IMODE(found.st_mode)) == (1_000_000_007, mode)
    assert os.getxattr(place.rootfs / "x/f", "user.some") == b"value"
    assert os.getxattr(place.rootfs / "x/sub", "user.some") == b"value"
    assert stat.S_IMODE((place.rootfs / "x").stat().st_mode) == 0o755


def test_the_mask_of_permissions_means_nothing(place: Place) -> None:
    place.write(d__f="1")
    (place.context / "d/f").chmod(0o666)
    before = os.umask(0o077)
    try:
        place.copy("d/f", to="/x/y/f")
    finally:
        os.umask(before)
    assert stat.S_IMODE((place.rootfs / "x/y/f").stat().st_mode) == 0o666
    assert stat.S_IMODE((place.rootfs / "x/y").stat().st_mode) == 0o755


def test_chmod(place: Place) -> None:
    place.write(d__sub__f="1")
    place.copy("d", to="/x", mode="u=rwX,go=")
    assert stat.S_IMODE((place.rootfs / "x/sub").stat().st_mode) == 0o700
    assert stat.S_IMODE((place.rootfs / "x/sub/f").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("text", "mode", "expected"),
    [
        ("755", 0o100600, 0o755),
        ("04755", 0o100600, 0o4755),
        ("0", 0o100600, 0),
        ("u+x", 0o100644, 0o744),
        ("+x", 0o100644, 0o755),
        ("a-w,u+s", 0o100755, 0o4555),
        ("go=u", 0o100640, 0o666),
        ("g+X", 0o100644, 0o644),
        ("g+X", 0o040644, 0o654),
        ("o=", 0o100777, 0o770),
        ("u=rw,go=r", 0o100777, 0o644),
        ("+t", 0o040755, 0o1755),
        ("g=s", 0o100755, 0o2705),
    ],
)
def test_modes(text: str, mode: int, expected: int) -> None:
    assert Mode(text).of(mode) == expected


@pytest.mark.parametrize("text", ["", "8", "77777", "u", "u+q", "x+r", "u+x,", "-1"])
def test_no_mode(text: str) -> None:
    with pytest.raises(PodError, match="Error parsing chmod"):
        Mode(text)


def test_hard_links_stay_links(place: Place) -> None:
    place.write(d__a="1", d__s__x="")
    os.link(place.context / "d/a", place.context / "d/s/b")
    os.utime(place.context / "d/s", ns=(1, 7))
    place.copy("d", to="/x")
    assert os.path.samefile(place.rootfs / "x/a", place.rootfs / "x/s/b")
    assert not os.path.samefile(place.rootfs / "x/a", place.context / "d/a")
    assert (place.rootfs / "x/s").stat().st_mtime_ns == 7


def test_what_is_replaced(place: Place) -> None:
    place.write(d__file="new", d__over_directory="new", d__over_link="new", d__sub__f="new", d__real__f="new")
    (place.rootfs / "file").write_text("older and longer")
    (place.rootfs / "over_directory/deep/er").mkdir(parents=True)
    (place.rootfs / "over_link").symlink_to(place.outside / "victim")
    (place.rootfs / "sub").symlink_to(place.outside)
    (place.rootfs / "real").write_text("")
    place.copy("d", to="/")
    assert {path.read_text() for path in place.rootfs.rglob("*") if path.is_file()} == {"new"}
    assert not any(path.is_symlink() for path in place.rootfs.rglob("*"))
    assert place.there() == ["file", "over_directory", "over_link", "real", "real/f", "sub", "sub/f"]


@pytest.mark.parametrize("target", ["/abs/real", "../../../abs/real", "{outside}", "/proc/self/cwd", "dangling"])
def test_links_in_the_root_file_system_stay_in_it(place: Place, target: str) -> None:
    """CVE-2018-15664, CVE-2024-9676 and their kind: where a destination leads is settled inside."""
    place.write(a="1")
    (place.rootfs / "lnk").symlink_to(target.format(outside=place.outside))
    place.copy("a", to="/lnk/sub/")
    assert any(path.endswith("sub/a") for path in place.there())


def test_a_loop_of_links(place: Place) -> None:
    place.write(a="1")
    (place.rootfs / "lnk").symlink_to("lnk")
    with pytest.raises(OSError, match="symbolic links"):
        place.copy("a", to="/lnk/")


def test_a_later_source_wins(place: Place) -> None:
    place.write(a__f="first", b__f="second", b__g="g")
    place.copy("a", "b", to="/x")
    assert (place.rootfs / "x/f").read_text() == "second"


def test_parents(place: Place) -> None:
    place.write(x__y__z="1")
    (place.context / "x").chmod(0o750)
    place.copy("x/y/z", to="/out", parents=True)
    assert place.there() == ["out", "out/x", "out/x/y", "out/x/y/z"]
    assert stat.S_IMODE((place.rootfs / "out/x").stat().st_mode) == 0o750


def test_here_documents(place: Place) -> None:
    place.put(selection.inline([("one", b"1"), ("two", b"2")], time=5_000_000_000), "/etc")
    assert (place.rootfs / "etc/two").read_text() == "2"
    assert (place.rootfs / "etc/one").stat().st_mtime == 5


def test_links_and_fifos(place: Place) -> None:
    (place.context / "d").mkdir()
    (place.context / "d/link").symlink_to("/etc/passwd")
    os.mkfifo(place.context / "d/fifo")
    place.copy("d", to="/x")
    assert os.readlink(place.rootfs / "x/link") == "/etc/passwd"
    assert stat.S_ISFIFO((place.rootfs / "x/fifo").stat().st_mode)


@pytest.mark.parametrize("swapped", ["link", "fifo", "other", "gone"])
def test_a_file_that_is_swapped_after_it_was_chosen(place: Place, swapped: str) -> None:
    place.write(d__f="mine")
    chosen = selection.select(place.descriptors[0], ["d"], selection.Wanted())
    path = place.context / "d/f"
    path.unlink()
    if swapped == "link":
        path.symlink_to(place.outside / "victim")
    elif swapped == "fifo":
        os.mkfifo(path)
    elif swapped == "other":
        path.write_text("another")
        assert place.put(chosen, "/x").changed
        assert (place.rootfs / "x/f").read_text() == "another"
        return
    with pytest.raises(OSError, match=r"."):
        place.put(chosen, "/x")
    assert "x/f" not in place.there() or (place.rootfs / "x/f").read_text() == ""


def test_a_directory_that_is_swapped_after_it_was_chosen(place: Place) -> None:
    place.write(d__s__victim="mine")
    chosen = selection.select(place.descriptors[0], ["d"], selection.Wanted())
    (place.context / "d/s").rename(place.context / "aside")
    (place.context / "d/s").symlink_to(place.outside)
    with pytest.raises(OSError, match=r"."):
        place.put(chosen, "/x")
    assert place.there() == ["x", "x/s"]


def test_a_source_that_is_exchanged_all_the_time(place: Place) -> None:
    """What is read is what the context has, whoever swaps files, links and directories in it meanwhile."""
    place.write(d__f="mine", d__s__victim="mine")
    (place.context / "file").symlink_to(place.outside / "victim")
    (place.context / "directory").symlink_to(place.outside)
    stop = threading.Event()

    def exchange() -> None:
        pairs = (("d/f", "file"), ("d/s", "directory"))
        while not stop.is_set():
            for inner, other in pairs:
                os.rename(place.context / inner, place.context / "aside")
                os.rename(place.context / other, place.context / inner)
                os.rename(place.context / inner, place.context / other)
                os.rename(place.context / "aside", place.context / inner)

    thread = threading.Thread(target=exchange)
    thread.start()
    try:
        for number in range(300):
            try:
                place.copy("d", "d/f", "d/s", to=f"/{number}/")
            except (PodError, OSError):
                continue
    finally:
        stop.set()
        thread.join()
    contents = {path.read_text() for path in place.rootfs.rglob("*") if path.is_file() and not path.is_symlink()}
    assert contents <= {"mine", ""}
    place.there()


def test_many_files(place: Place) -> None:
    for number in range(2500):
        path = place.context / f"d/{number % 7}/{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(number))
    place.copy("d", to="/x")
    found = [path for path in (place.rootfs / "x").rglob("*") if path.is_file()]
    assert len(found) == 2500
    assert all(path.read_text() == path.name for path in found)


def test_a_large_file_with_a_hole(place: Place) -> None:
    with open(place.context / "big", "wb") as file:
        file.write(b"x" * 100_000)
        file.truncate(8 << 20)
    place.copy("big", to="/big")
    assert (place.rootfs / "big").read_bytes() == (place.context / "big").read_bytes()
    assert (place.rootfs / "big").stat().st_blocks * 512 < 4 << 20


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
@pytest.mark.root
@pytest.mark.parametrize("files", [50, 3000])
def test_a_full_disk(place: Place, files: int) -> None:
    """One line that says so, whichever of the processes met it; none of them is left."""
    from tests.fixtures.namespaces import in_mount_namespace, mount

    (place.context / "d").mkdir()
    for number in range(files):
        (place.context / f"d/{number}").write_text("x" * 5000)

    def full() -> tuple[str, bool]:
        mount("tmpfs", str(place.rootfs), "tmpfs", "size=200k")
        place.descriptors[1] = os.open(place.rootfs, os.O_RDONLY | os.O_DIRECTORY)
        try:
            place.copy("d", to="/x")
        except (OSError, StorageError) as error:
            children = f"/proc/self/task/{os.getpid()}/children"
            return str(error).lower(), not Path(children).read_text().split()
        return "", True

    said, alone = in_mount_namespace(full)
    assert "no space left on device" in said
    assert alone


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a user namespace")
@pytest.mark.root
@pytest.mark.parametrize("files", [3, 2500])
def test_as_root_of_a_user_namespace(place: Place, files: int) -> None:
    from tests.fixtures.namespaces import in_user_namespace

    (place.context / "d").mkdir()
    for number in range(files):
        (place.context / f"d/{number}").write_text("x")
    for path in (place.rootfs, place.context):
        os.chown(path, 100_000, 100_000)
    chosen = selection.select(place.descriptors[0], ["d"], selection.Wanted())

    def inside() -> None:
        copy(chosen, place.descriptors[1], "/root")
        copy(chosen, place.descriptors[1], "/other", change=Change(owner=(7, 8)))
        copy(chosen, place.descriptors[1], "/single", change=Change(owner=(70_000, 8), lenient=True))

    in_user_namespace([(0, 100_000, 65_536)], inside)
    for name, owner in (("root", 100_000), ("other", 100_007), ("single", 100_000)):
        assert (place.rootfs / name).stat().st_uid == owner
        assert {path.stat().st_uid for path in (place.rootfs / name).iterdir()} == {owner}


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to others")
@pytest.mark.root
def test_owners(place: Place) -> None:
    place.write(d__f="1")
    os.chown(place.context / "d/f", 12, 34)
    (place.context / "d/f").chmod(0o4755)
    root = place.descriptors[1]
    for to, image, change, expected, mode in (
        ("/context", False, Change(), (0, 0), 0o755),
        ("/image", True, Change(), (12, 34), 0o4755),
        ("/chown", True, Change(owner=(5, 6)), (5, 6), 0o4755),
    ):
        copy(selection.select(place.descriptors[0], ["d"], selection.Wanted(from_image=image)), root, to, change=change)
        found = (place.rootfs / to[1:] / "f").stat()
        assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (*expected, mode)
        above = (place.rootfs / to[1:]).stat()
        assert (above.st_uid, above.st_gid) == (change.owner or (0, 0))


def test_a_file_where_a_directory_is_to_be(place: Place) -> None:
    place.write(a="a")
    (place.rootfs / "file").write_text("")
    with pytest.raises(PodError) as caught:
        place.copy("a", to="/file/below/b")
    assert str(caught.value) == "destination /file/below: /file/below is not a directory"


def device(
    place: Place, monkeypatch: pytest.MonkeyPatch, *, source: str = ".", further: tuple[str, ...] = ()
) -> selection.Selection:
    """Select a directory with a file and a device, which nobody may make; it may have further names."""
    place.write(d__null="", d__file="")
    for name in further:
        os.link(place.context / "d" / "null", place.context / "d" / name)
    chosen = selection.select(place.descriptors[0], [source], selection.Wanted())
    for entry in chosen.trees[0].entries:
        if entry.path.rpartition("/")[2] in ("null", *further):
            entry.status = os.stat_result([stat.S_IFCHR | 0o644, *entry.status[1:]], {"st_rdev": 0})

    def refuse(*_arguments: object, **_options: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr("os.mknod", refuse)
    return chosen


def test_a_device_that_cannot_be_made_is_named(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StorageError, match="copy d/null: a device: operation not permitted"):
        place.put(device(place, monkeypatch), "/to/")


def test_an_ordinary_users_copy_has_no_devices(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    change = Change(owner=OWN, devices=False)
    copy(device(place, monkeypatch), place.descriptors[1], "/to/", change=change)
    assert place.there() == ["to", "to/d", "to/d/file"]


def test_left_out_devices_with_further_names_are_no_links_to_what_is_there(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = device(place, monkeypatch, further=("other", "third"))
    (place.rootfs / "to" / "d").mkdir(parents=True)
    (place.rootfs / "to" / "d" / "null").write_text("unrelated")
    copy(chosen, place.descriptors[1], "/to/", change=Change(owner=OWN, devices=False))
    assert place.there() == ["to", "to/d", "to/d/file", "to/d/null"]
    assert (place.rootfs / "to" / "d" / "null").stat().st_nlink == 1


def test_a_device_alone_is_left_out_too(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = device(place, monkeypatch, source="d/null")
    copy(chosen, place.descriptors[1], "/to/", change=Change(owner=OWN, devices=False))
    assert place.there() == ["to"]
