"""Installing, listing and removing units in a directory of their own; systemd is not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pod.errors import PodError
from pod.quadlet import applications, directories, installing, linting, listing, removing, staging
from pod.quadlet.places import Places
from storage import syscalls

CONTAINER = "[Container]\nImage=quay.io/web\n"


class Shop:
    """A directory of units, and one from which they are installed."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.units = top / "units"
        self.source = top / "source"
        self.source.mkdir()

    @property
    def places(self) -> Places:
        return Places(directories.below(str(self.units)), str(self.units), [str(self.units)], user=False)

    def write(self, name: str, text: str = CONTAINER) -> str:
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    def install(self, *words: str, replace: bool = False) -> list[str]:
        paths = installing.install(self.places, list(words), replace=replace).paths
        return [os.path.relpath(path, self.units) for path in paths]

    def remove(self, name: str) -> list[str]:
        removal = removing.choose(listing.everything(self.places), name)
        removing.delete(removal, str(self.units))
        return [quadlet.name for quadlet in removal.quadlets]

    def tree(self) -> list[str]:
        return sorted(str(path.relative_to(self.units)) for path in self.units.rglob("*") if not path.is_dir())


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_a_file(shop: Shop) -> None:
    assert shop.install(shop.write("web.container")) == ["web.container"]
    assert (shop.units / "web.container").read_text() == CONTAINER
    assert (shop.units / "web.container").stat().st_mode & 0o777 == 0o644
    assert shop.tree() == ["web.container"]


def test_a_file_that_is_there(shop: Shop) -> None:
    shop.install(shop.write("web.container"))
    with pytest.raises(PodError, match=r"a Quadlet with name web.container already exists, refusing to overwrite"):
        shop.install(shop.write("web.container"))
    path = shop.write("web.container", CONTAINER + "Exec=true\n")
    assert shop.install(path, replace=True) == ["web.container"]
    assert "Exec" in (shop.units / "web.container").read_text()
    assert shop.tree() == ["web.container"]


def test_a_directory(shop: Shop) -> None:
    shop.write("app/web.container", CONTAINER + "Volume=data.volume:/data\nVolume=./files:/files\n")
    shop.write("app/data.volume", "[Volume]\n")
    shop.write("app/files/index.html", "hello")
    os.chmod(shop.write("app/run.sh", "#!/bin/sh\n"), 0o700)
    (shop.source / "app/web@.container").write_text(CONTAINER)
    os.symlink("web@.container", shop.source / "app/web@one.container")
    installed = shop.install(str(shop.source / "app"))
    files = ["data.volume", "files/index.html", "run.sh", "web.container", "web@.container", "web@one.container"]
    assert sorted(installed) == [f"app/{name}" for name in files]
    assert shop.tree() == sorted(["app/.app.app", *installed])
    assert (shop.units / "app/run.sh").stat().st_mode & 0o777 == 0o755
    assert os.readlink(shop.units / "app/web@one.container") == "web@.container"
    assert {one.label for one in listing.everything(shop.places)} == {".app.app"}


def test_an_application_is_replaced_as_a_whole(shop: Shop) -> None:
    shop.write("app/web.container")
    shop.write("app/old.volume", "[Volume]\n")
    top = str(shop.source / "app")
    shop.install(top)
    with pytest.raises(PodError, match="already exists, refusing to overwrite"):
        shop.install(top)
    os.unlink(f"{top}/old.volume")
    shop.write("app/new.volume", "[Volume]\n")
    shop.install(top, replace=True)
    assert shop.tree() == ["app/.app.app", "app/new.volume", "app/web.container"]


def test_a_file_of_an_application_is_replaced_where_it_is(shop: Shop) -> None:
    shop.write("app/web.container")
    shop.install(str(shop.source / "app"))
    path = shop.write("web.container", CONTAINER + "Exec=true\n")
    assert shop.install(path, replace=True) == ["app/web.container"]
    assert shop.tree() == ["app/.app.app", "app/web.container"]


def test_files_with_what_they_need(shop: Shop) -> None:
    installed = shop.install(
        shop.write("web.container"), shop.write("web.conf", "x"), shop.write("data.volume", "[Volume]")
    )
    assert sorted(installed) == ["web/data.volume", "web/web.conf", "web/web.container"]
    assert shop.remove("data.volume") == ["data.volume", "web.container"]
    assert shop.tree() == []


MULTIPLE = """# FileName=web
[Unit]
Description=x
[Container]
Image=quay.io/web
---

---
# FileName=data
[Volume]
"""


def test_several_in_one_file(shop: Shop) -> None:
    installed = shop.install(shop.write("all.quadlets", MULTIPLE))
    assert sorted(installed) == ["all/data.volume", "all/web.container"]
    assert "Description=x" in (shop.units / "all/web.container").read_text()
    assert "[Volume]" not in (shop.units / "all/web.container").read_text()
    for name in ("web.container", "data.volume"):
        assert (shop.units / f"all/{name}").read_text().startswith("# FileName")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "web.container",
            "[Container]\nImag=x\n",
            r"source/web.container:2: unsupported key 'Imag' in group 'Container'",
        ),
        ("web.container", "[Container]\nExec=x\n", "source/web.container"),
        ("web.container", "Image=x\n", r"source/web.container:1: key file does not start with a group"),
        ("web.container", CONTAINER + "PublishPort=99999:80\n", r"source/web.container:3: PublishPort: "),
        ("web.txt", CONTAINER, r"there is no unit in it"),
        (
            "all.quadlets",
            "[Container]\nImage=x\n",
            r"source/all.quadlets:1: missing required '# FileName=<name>' comment",
        ),
        ("all.quadlets", MULTIPLE + "Nonsense=1\n", r"source/all.quadlets:11: unsupported key 'Nonsense'"),
        ("users.quadlets", MULTIPLE, "an application cannot be called 'users'"),
        ("all.d.quadlets", MULTIPLE, "an application cannot be called 'all.d'"),
    ],
)
def test_what_is_wrong_changes_nothing(shop: Shop, name: str, text: str, message: str) -> None:
    shop.install(shop.write("other.volume", "[Volume]\n"))
    with pytest.raises(PodError, match=message):
        shop.install(shop.write(name, text))
    assert shop.tree() == ["other.volume"]
    assert os.listdir(shop.units) == ["other.volume"]


def test_what_cannot_be_read(shop: Shop) -> None:
    with pytest.raises(PodError, match=r"cannot be read: no such file or directory"):
        shop.install(str(shop.source / "none.container"))
    os.mkfifo(shop.source / "pipe.container")
    with pytest.raises(PodError, match="is not a file"):
        shop.install(str(shop.source / "pipe.container"))
    shop.write("app/web.container")
    os.symlink("../../secret", shop.source / "app/link.container")
    with pytest.raises(PodError, match="the link leads out of"):
        shop.install(str(shop.source / "app"))
    with pytest.raises(PodError, match="is not a file"):
        shop.install(shop.write("web.container"), str(shop.source / "app"))
    assert os.listdir(shop.units) == []


def test_what_is_not_there_yet(shop: Shop) -> None:
    text = CONTAINER + "Network=front.network\nVolume=data.volume:/x\nPod=p.pod\n[Unit]\nAfter=db.container\n"
    installed = installing.install(shop.places, [shop.write("web.container", text)], replace=False)
    places = [warning.partition(": ")[0] for warning in installed.warnings]
    assert places == [f"{shop.source}/web.container:{line}" for line in (3, 4, 5, 7)]
    assert all("is not there yet" in warning for warning in installed.warnings)


def test_a_directory_that_was_not_installed_is_left_alone(shop: Shop) -> None:
    (shop.units / "app").mkdir(parents=True)
    (shop.units / "app/mine.volume").write_text("[Volume]\n")
    shop.write("app/web.container")
    with pytest.raises(PodError, match="already exists"):
        shop.install(str(shop.source / "app"))
    with pytest.raises(PodError, match="was not installed by"):
        shop.install(str(shop.source / "app"), replace=True)
    assert shop.remove("mine.volume") == ["mine.volume"]


def test_a_file_system_that_cannot_exchange(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.write("app/web.container")
    shop.install(str(shop.source / "app"))

    def refuse(_first: str, _second: str) -> None:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(syscalls, "exchange", refuse)
    with pytest.raises(PodError, match="does not let two directories change places"):
        shop.install(str(shop.source / "app"), replace=True)
    assert shop.tree() == ["app/.app.app", "app/web.container"]
    assert os.listdir(shop.units) == ["app"]


def test_what_a_killed_command_left_goes(shop: Shop) -> None:
    left = shop.units / ".pod-0123456789abcdef.d"
    left.mkdir(parents=True)
    (left / "web.container").write_text("half")
    assert listing.everything(shop.places) == []
    with staging.staging(str(shop.units)) as busy:
        (Path(busy) / "x").write_text("")
        shop.install(shop.write("web.container"))
        assert os.path.exists(f"{busy}/x")
    assert os.listdir(shop.units) == ["web.container"]


def test_names_of_what_is_removed(shop: Shop) -> None:
    shop.write("app/web.container")
    shop.write("app/data.volume", "[Volume]\n")
    shop.write("app/note.txt", "x")
    top = str(shop.source / "app")
    for name in ("web.container", ".app.app", "app"):
        shop.install(top)
        assert shop.remove(name) == ["data.volume", "web.container"]
        assert os.listdir(shop.units) == []
    shop.install(shop.write("web.container"))
    with pytest.raises(removing.NoSuchQuadletError, match=r'could not locate quadlet "web.containr" in any') as caught:
        shop.remove("web.containr")
    assert caught.value.hint == "did you mean web.container?"
    with pytest.raises(removing.NoSuchQuadletError) as caught:
        shop.remove("web")
    assert caught.value.hint == "did you mean web.container?"
    assert removing.own(listing.everything(shop.places), shop.places) == ["web.container"]


def test_applications_of_podman(shop: Shop) -> None:
    shop.units.mkdir()
    for name, text in (("web.container", CONTAINER), ("web.conf", ""), ("other.volume", "[Volume]\n")):
        (shop.units / name).write_text(text)
    (shop.units / ".app.app").write_text("web.container\nweb.conf\n../../etc/passwd\n/etc/passwd\n")
    (found,) = applications.find(str(shop.units))
    assert (found.label, found.files, found.is_directory) == (".app.app", ["web.container", "web.conf"], False)
    assert {one.name: one.label for one in listing.everything(shop.places)} == {
        "web.container": ".app.app",
        "other.volume": "",
    }
    assert shop.remove("web.container") == ["web.container"]
    assert shop.tree() == ["other.volume"]


def test_several_in_one_file_that_was_put_there(shop: Shop) -> None:
    shop.units.mkdir()
    (shop.units / "all.quadlets").write_text(MULTIPLE)
    (shop.units / "other.volume").write_text("[Volume]\n")
    assert {one.name for one in listing.everything(shop.places)} == {"web.container", "data.volume", "other.volume"}
    assert shop.remove("web.container") == ["data.volume", "web.container"]
    assert shop.tree() == ["other.volume"]


def test_filters(shop: Shop) -> None:
    shop.install(shop.write("web.container", CONTAINER + "Pod=p.pod\n"))
    shop.install(shop.write("p.pod", "[Pod]\n"))
    shop.install(shop.write("data.volume", "[Volume]\nServiceName=store\n"))

    def chosen(*texts: str) -> list[str]:
        states = {"web.service": "active/running", "store.service": "failed/failed"}
        return [one.name for one in listing.chosen(shop.places, list(texts), lambda services: states)]

    assert chosen() == ["data.volume", "p.pod", "web.container"]
    assert chosen("name=web*") == ["web.container"]
    assert chosen("pod=p") == ["web.container"]
    assert chosen("status=Not loaded") == ["p.pod"]
    assert chosen("status=active/running", "status=failed") == ["data.volume", "web.container"]
    assert chosen("status=active/running", "name=data") == []
    with pytest.raises(PodError, match="app is not a valid filter"):
        chosen("app=x")
    assert {one.name: one.service for one in listing.everything(shop.places)} == {
        "data.volume": "store.service",
        "p.pod": "p-pod.service",
        "web.container": "web.service",
    }


def test_lint_of_what_is_installed(shop: Shop) -> None:
    shop.install(shop.write("web.container"))
    assert linting.lint(shop.places, []) == []
