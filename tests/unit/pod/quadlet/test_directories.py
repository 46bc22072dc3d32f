"""Where files are looked for, found and read."""

from __future__ import annotations

import os

import pytest

from pod.quadlet import directories, reading
from pod.quadlet.directories import below, search_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


def _write(path: Path, text: str = "[Container]\nImage=localhost/x\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's directories in a directory of the test's own."""
    top = tmp_path.resolve()
    for name in ("TEMPORARY", "ADMIN", "DISTRIBUTION"):
        monkeypatch.setattr(directories, name, f"{top}/{name.lower()}")
    return top


def _relative(top: Path, found: list[str]) -> list[str]:
    return [path.removeprefix(f"{top}/") for path in found]


def test_of_the_system(places: Path) -> None:
    for name in ("admin/sub/deep", "admin/x.container.d", "admin/users/1000/a", "admin/usersand", "temporary"):
        (places / name).mkdir(parents=True)
    found = search_path(user=False, uid=0, home="/root", environment={"XDG_RUNTIME_DIR": "/run/user/0"})
    assert _relative(places, found) == [
        *("temporary", "admin", "admin/sub", "admin/sub/deep", "admin/usersand", "distribution")
    ]


def test_of_a_user(places: Path) -> None:
    for name in ("admin/users/1000/a", "admin/users/1001", "admin/users/all", "home/.config/containers/systemd/sub"):
        (places / name).mkdir(parents=True)
    home = f"{places}/home"
    found = search_path(user=True, uid=1000, home=home, environment={"XDG_RUNTIME_DIR": f"{places}/run"})
    assert _relative(places, found) == [
        *("run/containers/systemd", "home/.config/containers/systemd", "home/.config/containers/systemd/sub"),
        *("admin/users/1000", "admin/users/1000/a", "admin/users", "admin/users/all"),
        *("distribution/users/1000", "distribution/users"),
    ]
    found = search_path(user=True, uid=1000, home=home, environment={"XDG_CONFIG_HOME": f"{places}/config"})
    assert _relative(places, found)[0] == "config/containers/systemd"


def test_a_variable_in_place_of_all(places: Path) -> None:
    (places / "b" / "sub").mkdir(parents=True)
    environment = {"QUADLET_UNIT_DIRS": f"{places}/b:relative:{places}/missing"}
    found = search_path(user=True, uid=1000, home="/", environment=environment)
    assert _relative(places, found) == ["b", "b/sub", "missing"]


def test_links_are_followed_and_each_directory_is_entered_once(tmp_path: Path) -> None:
    top = tmp_path.resolve()
    (top / "real" / "sub").mkdir(parents=True)
    (top / "start").mkdir()
    (top / "start" / "link").symlink_to(top / "real")
    (top / "real" / "sub" / "loop").symlink_to(top / "start")
    (top / "real" / "nowhere").symlink_to(top / "missing")
    assert _relative(top, below(f"{top}/start")) == ["start", "real", "real/sub"]


def test_of_two_files_of_one_name_the_first_counts(tmp_path: Path) -> None:
    _write(tmp_path / "a" / "x.container", "[Container]\nImage=localhost/first\n")
    _write(tmp_path / "b" / "x.container")
    _write(tmp_path / "b" / "y.container")
    _write(tmp_path / "b" / "readme.txt", "what")
    (tmp_path / "a" / "hidden.container").symlink_to("/dev/null")
    _write(tmp_path / "b" / "hidden.container")
    said: list[str] = []
    files, problems = reading.read([f"{tmp_path}/a", f"{tmp_path}/b", f"{tmp_path}/missing"], said.append)
    assert [file.path for file in files] == [f"{tmp_path}/a/x.container", f"{tmp_path}/b/y.container"]
    assert not problems
    assert f"{tmp_path}/b/x.container does not count: a file of this name was found before" in said


def test_a_link_is_an_instance_of_its_own(tmp_path: Path) -> None:
    _write(tmp_path / "x@.container")
    (tmp_path / "x@one.container").symlink_to("x@.container")
    files, _ = reading.read([f"{tmp_path}"])
    assert [file.name for file in files] == ["x@.container", "x@one.container"]


def test_drop_ins_are_added_with_their_own_lines(tmp_path: Path) -> None:
    _write(tmp_path / "a" / "x.container", "[Container]\nImage=localhost/x\nLabel=a=1\n")
    _write(tmp_path / "b" / "x.container.d" / "10.conf", "[Container]\nLabel=\nLabel=b=2\n[Service]\nRestart=no\n")
    _write(tmp_path / "a" / "container.d" / "20.conf", "\n\n[Container]\nLabel=c=3\n")
    _write(tmp_path / "a" / "x.container.d" / "ignored.txt", "what")
    _write(tmp_path / "a" / "x.container.d" / "30.conf", "[Container]\nwhat\n")
    (file,), problems = reading.read([f"{tmp_path}/a", f"{tmp_path}/b"])
    assert [(entry.value, entry.path, entry.line) for entry in file.all("Container", "Label")] == [
        ("b=2", f"{tmp_path}/b/x.container.d/10.conf", 3),
        ("c=3", f"{tmp_path}/a/container.d/20.conf", 4),
    ]
    assert [str(problem) for problem in problems] == [
        f"{tmp_path}/a/x.container.d/30.conf:2: “what” is not a key-value pair, group, or comment; write Key=value"
    ]
    assert not file.problems


def test_several_files_in_one_have_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "app.quadlets"
    _write(
        path,
        "# FileName=web\n[Container]\nImage=localhost/x\n---\n# FileName=p\n[Pod]\n---\n[Pod]\n---\n"
        "# FileName=p\n[Pod]\n",
    )
    files, problems = reading.read([f"{tmp_path}"])
    assert [
        (file.name, file.path, file.keys("Container")[0].line if file.keys("Container") else 0) for file in files
    ] == [
        ("web.container", str(path), 3),
        ("p.pod", str(path), 0),
    ]
    assert [str(problem) for problem in problems] == [
        f"{path}:8: a part has no name or is of no known kind;"
        " begin it with `# FileName=NAME` and a section such as [Container]",
        f"{path}:10: a part p.pod is in this file before; give each part a FileName= of its own",
    ]


def test_what_cannot_be_read_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    _write(tmp_path / "good.container")
    (tmp_path / "directory.container").mkdir()
    os.mkfifo(tmp_path / "fifo.container")
    (tmp_path / "nowhere.container").symlink_to("missing")
    with open(tmp_path / "long.container", "w") as file:
        file.truncate(1 << 30)
    (tmp_path / "bytes.container").write_bytes(b"[Container]\nImage=localhost/\xff\xfe\n")
    files, problems = reading.read([f"{tmp_path}"])
    assert [file.name for file in files] == ["bytes.container", "good.container"]
    assert [str(problem).removeprefix(f"{tmp_path}/") for problem in problems] == [
        "directory.container: not a regular file",
        "fifo.container: not a regular file",
        "long.container: too long: 1073741824 bytes",
        "nowhere.container: cannot be read: no such file or directory",
    ]


def test_an_error_of_ours_is_a_problem_of_that_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(text: str, path: str, **more: object) -> None:
        raise ZeroDivisionError("so it is")

    _write(tmp_path / "x.container")
    monkeypatch.setattr(reading, "parse", fail)
    files, problems = reading.read([f"{tmp_path}"])
    assert not files
    assert str(problems[0]) == f"{tmp_path}/x.container: unexpected ZeroDivisionError: so it is; please report it"
