"""Further stores that are only read: listed, inspected, run from, stood upon, never written to, not to be removed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fixtures import images
from tests.fixtures.closed_database import wait_until_closed
from tests.fixtures.command import Pod
from tests.fixtures.registry import Registry

CHAIN = images.layer(images.entry("opt", mode=0o711, type=b"5"))
UPPER = images.layer(images.entry("opt/file", b"content"), images.entry("etc/.wh.group", b""))


@pytest.fixture
def shared(box: Pod, registry: Registry) -> Iterator[Pod]:
    """`pod` with an empty store of its own and a further one, `shared`, on a medium that nobody can write to."""
    name = registry.push("chained", "1", images.busybox(CHAIN, UPPER, Labels={"a": "b"}))
    box.run("pull", "--quiet", name)
    wait_until_closed(box)
    place = os.path.join(box.directory, "shared")
    os.rename(box.root, place)
    if os.getuid() == 0:
        subprocess.run(["mount", "--bind", place, place], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", place], check=True)
    try:
        yield replace(box, options=[*box.options, "--storage-opt", f"overlay.imagestore={place}"])
    finally:
        box.remove_containers()
        if os.getuid() == 0:
            subprocess.run(["umount", "--lazy", place], check=True)


def tree(path: str) -> list[tuple[str, int, int]]:
    """Return what lies below a path, with what any change would change."""
    return sorted((str(one), one.lstat().st_ctime_ns, one.lstat().st_nlink) for one in Path(path).rglob("*"))


def test_images_of_a_further_store_are_used_and_stay(shared: Pod, busybox: str, registry: Registry) -> None:
    chained = f"{registry.address}/chained:1"
    before = tree(f"{shared.directory}/shared")
    header, *lines = shared.run("images").stdout.splitlines()
    assert header.split()[-1] == "R/O"
    assert sorted(line.split()[-1] for line in lines) == ["true", "true"]
    assert shared.run("images", "--filter", "readonly=false", "--quiet").out == ""
    assert [one["ReadOnly"] for one in json.loads(shared.run("images", "--format", "json").out)] == [True, True]
    (inspected,) = json.loads(shared.run("image", "inspect", chained).out)
    assert (inspected["RepoTags"], inspected["Labels"]) == ([chained], {"a": "b"})
    assert shared.run("image", "exists", "busybox").code == 0
    assert shared.run("history", chained).code == 0
    shared.run("tag", chained, "localhost/first")
    assert shared.run("rmi", "localhost/first").out.startswith("Untagged: localhost/first:latest\nDeleted: ")
    shared.run("save", "--quiet", "--output", f"{shared.home}/saved", chained)
    script = "stat -c %a /opt; cat /opt/file; test ! -e /etc/group"
    assert shared.run("run", "--rm", "--pull", "never", chained, "sh", "-c", script).out == "711\ncontent"
    shared.run("run", "--name", "one", "--pull", "never", chained, "sh", "-c", "echo mine >/opt/mine; cat /opt/file")
    assert len(shared.run("images", "--noheading").stdout.splitlines()) == 2
    for words in (("rmi", chained), ("rmi", "--force", chained), ("rmi", inspected["Id"])):
        failed = shared.run(*words, check=False)
        assert (failed.code, failed.stderr) == (125, f'Error: cannot remove read-only image "{inspected["Id"]}"\n')
    shared.run("commit", "--quiet", "one", "localhost/made")
    assert shared.run("run", "--rm", "localhost/made", "cat", "/opt/mine", "/opt/file").out == "mine\ncontent"
    shared.run("tag", chained, "localhost/tagged")
    rows = {line.split()[0]: line.split()[-1] for line in shared.run("images", "--noheading").stdout.splitlines()}
    assert rows["localhost/tagged"] == rows["localhost/made"] == "false"
    assert rows[chained.rpartition(":")[0]] == "true"
    assert shared.run("system", "check").out == ""
    if not shared.rootless:
        assert shared.run("run", "--rm", "--uidmap", "0:100000:65536", chained, "cat", "/opt/file").out == "content"
    shared.run("rm", "one")
    assert "localhost/tagged" in shared.run("rmi", "localhost/tagged", "localhost/made").out
    assert shared.run("image", "prune", "--all", "--force").out == ""
    assert len(shared.run("images", "--noheading").stdout.splitlines()) == 2
    assert tree(f"{shared.directory}/shared") == before


def test_layers_of_a_further_store_are_not_fetched(shared: Pod, registry: Registry) -> None:
    """What a pull finds there it uses; without that store the image is whole again after another pull."""
    name = registry.push("on-top", "1", images.busybox(CHAIN, UPPER, images.layer(images.entry("own", b"own"))))
    before = tree(f"{shared.directory}/shared")
    shared.run("pull", "--quiet", name)
    links = [path for path in Path(shared.root, "layers").iterdir() if path.is_symlink()]
    assert len(links) >= 3
    assert shared.run("run", "--rm", name, "cat", "/own", "/opt/file").out == "owncontent"
    assert tree(f"{shared.directory}/shared") == before
    alone = replace(shared, options=shared.options[:-2])
    for link in links:
        target = os.readlink(link)
        link.unlink()
        link.symlink_to(f"{target}.gone")
    assert "is missing" in alone.run("run", "--rm", name, "true", check=False).stderr
    alone.run("pull", "--quiet", name)
    assert alone.run("run", "--rm", name, "cat", "/own", "/opt/file").out == "owncontent"
    assert alone.run("system", "check").out == ""


def test_layers_of_a_further_store_are_told_before_they_are_used(shared: Pod, registry: Registry) -> None:
    """What only reads adopts nothing, and knows the sizes all the same."""
    chained = f"{registry.address}/chained:1"
    sizes = [int(text) for text in shared.run("history", "--human=false", "--format", "{{.Size}}", chained).out.split()]
    assert len(sizes) >= 3
    assert all(sizes)
    told = shared.run("image", "tree", chained).stdout
    assert told.count("─ ID: ") == len(sizes)
    assert f"Top Layer of: [{chained}]" in told
    assert shared.run("image", "tree", "--whatrequires", "busybox").stdout.count("─ ID: ") == len(sizes)
    (inspected,) = json.loads(shared.run("image", "inspect", chained).out)
    assert inspected["GraphDriver"]["Data"]["UpperDir"].startswith(f"{shared.directory}/shared/layers/")
    assert not os.path.exists(f"{shared.root}/layers")
    (row,) = [one for one in json.loads(shared.run("system", "df", "--format", "json").out) if one["Type"] == "Images"]
    assert (row["Total"], row["RawReclaimable"]) == (2, 0)
    assert row["RawSize"] > sum(sizes[:-1])


def test_lists_of_a_further_store_are_read_and_stay(box: Pod, registry: Registry) -> None:
    name = registry.push("listed", "1", images.busybox(CHAIN))
    box.run("pull", "--quiet", name)
    list_id = box.run("manifest", "create", "both", name).out
    own = ["--root", f"{box.directory}/own", "--runroot", f"{box.directory}/run"]
    user = replace(box, options=[*own, "--storage-opt", f"overlay.imagestore={box.root}"])
    assert user.run("manifest", "exists", "both").code == 0
    document = user.run("manifest", "inspect", "both").out
    assert len(json.loads(document)["manifests"]) == 1
    assert "localhost/both true" in user.run("images", "--format", "{{.Repository}} {{.ReadOnly}}").stdout.splitlines()
    user.run("manifest", "push", "--quiet", "both", f"dir:{user.home}/pushed")
    assert os.path.exists(f"{user.home}/pushed/manifest.json")
    refusal = f'Error: cannot change or remove read-only manifest list "{list_id}"\n'
    for words in (("rm", "both"), ("add", "both", name), ("remove", "both", f"sha256:{'0' * 64}")):
        failed = user.run("manifest", *words, check=False)
        assert (failed.code, failed.stderr) == (125, refusal)
    user.run("tag", name, "both")  # what this store has hides it
    assert "Error: initializing source" in user.run("manifest", "inspect", "both", check=False).stderr
    user.run("rmi", "both")
    assert user.run("manifest", "inspect", "both").out == document


def test_lists_of_a_further_store_are_used_as_lists(box: Pod, registry: Registry) -> None:
    """Every command that takes a list of this store takes one of a further store, or says that it does not."""
    names = [registry.push("members", tag, images.busybox(CHAIN, Labels={"a": tag})) for tag in ("1", "2")]
    for name in names:
        box.run("pull", "--quiet", name)
    list_id = box.run("manifest", "create", "both", names[0]).out
    box.run("manifest", "add", "--arch", "mips64", "both", names[1])
    digests = [one["digest"] for one in json.loads(box.run("manifest", "inspect", "both").out)["manifests"]]
    own = ["--root", f"{box.directory}/own", "--runroot", f"{box.directory}/run"]
    user = replace(box, options=[*own, "--storage-opt", f"overlay.imagestore={box.root}"])
    for text in (list_id, list_id[:12], "both"):
        assert user.run("images", "--format", "{{.Repository}}", text).out == "localhost/both"
    for words in (("tag", "both", "new"), ("untag", "both"), ("rmi", "both"), ("rmi", list_id)):
        failed = user.run(*words, check=False)
        assert failed.stderr == f'Error: cannot change or remove read-only manifest list "{list_id}"\n'
    assert user.run("image", "exists", "new", check=False).code == 1
    user.run("push", "--quiet", "both", f"dir:{user.home}/one")
    assert "config" in json.loads(Path(user.home, "one/manifest.json").read_text())
    user.run("push", "--quiet", "--all", "both", f"oci:{user.home}/all:x")
    index = json.loads(Path(user.home, "all/index.json").read_text())["manifests"][0]["digest"].partition(":")[2]
    pushed = json.loads(Path(user.home, "all/blobs/sha256", index).read_text())
    assert [one["platform"]["architecture"] for one in pushed["manifests"]][1:] == ["mips64"]
    assert all(Path(user.home, "all/blobs/sha256", one["digest"][7:]).exists() for one in pushed["manifests"])
    user.run("manifest", "create", "mine")
    assert "both is a manifest list" in user.run("manifest", "add", "mine", "both", check=False).stderr
    user.run("manifest", "add", "--all", "mine", "both")
    mine = json.loads(user.run("manifest", "inspect", "mine").out)["manifests"]
    assert [one["digest"] for one in mine] == digests
    user.run("manifest", "push", "--quiet", "mine", f"oci:{user.home}/mine:x")
    assert set(os.listdir(f"{user.home}/mine/blobs/sha256")) == set(os.listdir(f"{user.home}/all/blobs/sha256"))
    assert user.run("system", "check").out == ""


def test_lists_of_a_further_store_are_built_from(box: Pod) -> None:
    """Each platform is built from the list's image for it."""
    os.mkdir(f"{box.home}/context")
    Path(box.home, "context/file").write_text("x")
    file = Path(box.home, "context/Dockerfile")
    file.write_text("FROM scratch\nARG TARGETARCH\nLABEL arch=$TARGETARCH\nCOPY file /\n")
    box.run("build", "--platform", "linux/s390x,linux/mips64", "--manifest", "base", f"{box.home}/context")
    own = ["--root", f"{box.directory}/own", "--runroot", f"{box.directory}/run"]
    user = replace(box, options=[*own, "--storage-opt", f"overlay.imagestore={box.root}"])
    file.write_text("FROM localhost/base\nCOPY file /other\n")
    user.run("build", "--all-platforms", "--manifest", "made", f"{user.home}/context")
    made = json.loads(user.run("manifest", "inspect", "made").out)["manifests"]
    assert sorted(one["platform"]["architecture"] for one in made) == ["mips64", "s390x"]
    user.run("build", "--platform", "linux/mips64", "--tag", "one", f"{user.home}/context")
    assert json.loads(user.run("image", "inspect", "one").out)[0]["Labels"]["arch"] == "mips64"


@pytest.mark.root
def test_damage_in_a_further_store_is_told(shared: Pod) -> None:
    place = f"{shared.directory}/shared"
    subprocess.run(["mount", "-o", "remount,bind,rw", place], check=True)
    damaged = next(Path(place, "layers").glob("*/diff/opt/file"))
    damaged.chmod(0o600)
    told = shared.run("system", "check", check=False)
    assert told.code == 125
    assert "Damaged read-only layer " in told.stdout
    assert "opt/file: has mode 600 instead of 644" in told.stdout


def test_stores_that_storage_conf_names(shared: Pod, busybox: str) -> None:
    conf = os.path.join(shared.home, "storage.conf")
    own = os.path.join(shared.home, "own")
    Path(conf).write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{own}"\n[storage.options]\n'
        f'additionalimagestores = ["{shared.home}/none", "{shared.directory}/shared"]\n'
    )
    plain = replace(shared, options=["--runroot", shared.runroot])
    env = {**shared.environment, "CONTAINERS_STORAGE_CONF": conf}
    assert plain.run("images", "--format", "{{.ReadOnly}}", env=env).out.split() == ["true", "true"]
    assert plain.run("run", "--rm", "--pull", "never", busybox, "echo", "x", env=env).out == "x"
    plain.run("system", "reset", "--force", env=env)
    assert not os.path.exists(f"{own}/pod")
    shutil.rmtree(own, ignore_errors=True)
