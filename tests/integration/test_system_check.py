"""`system check`: all kinds of damage are found, named, and mended or told; afterwards the store is clean."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from tests.fixtures import images
from tests.fixtures.command import Pod, Result
from tests.fixtures.registry import Registry

LAYER = images.layer(
    images.entry("srv", mode=0o750, type=b"5"),
    images.entry("srv/file", b"content", mode=0o640, uid=5, gid=6, pax_headers={"SCHILY.xattr.user.a": "b"}),
    images.entry("srv/other", b"x" * 5000),
    images.link("srv/linked", "srv/other"),
    images.symlink("srv/symbolic", "file"),
    images.entry("etc/.wh.passwd", b""),
)
KEY = LAYER.diff_id.removeprefix("sha256:")
# What is done to the files of the layer, in `d`; what is then named; how it is mended.
FILES = {
    "a byte": (
        "p = d + '/srv/file'; t = os.stat(p).st_mtime; w(p, 'CONTENT'); os.utime(p, (t, t))",
        "digest",
        "fetched",
    ),
    "a written file": ("w(d + '/srv/file', 'CONTENT')", "srv/file: was written to", "fetched"),
    "a missing file": ("os.unlink(d + '/srv/symbolic')", "srv/symbolic: is missing", "own files"),
    "a mode": ("os.chmod(d + '/srv', 0o755)", "srv: has mode 755 instead of 750", "own files"),
    "an owner": ("os.chown(d + '/srv/file', 0, 6)", "srv/file: has owner 0 instead of 5", "own files"),
    "an attribute": ("os.setxattr(d + '/srv/file', 'user.a', b'c')", "srv/file: has another", "own files"),
    "a new attribute": ("os.setxattr(d + '/srv', 'user.new', b'c')", "srv: has another", "own files"),
    "a link": ("os.unlink(d + '/srv/linked'); os.mkdir(d + '/srv/linked')", "srv/linked: is no hard link", "own files"),
    "a whiteout": ("os.unlink(d + '/etc/passwd')", "etc/passwd: its whiteout is missing", "own files"),
    "an extra file": ("w(d + '/srv/extra', '')", "srv/extra: is not part of the layer", "own files"),
    "the log": ("os.truncate(d + '/../headers.zst', 100)", "header log", "fetched"),
    "the directory": ("shutil.rmtree(os.path.dirname(d))", "its directory is missing", "fetched"),
}
_SCRIPT = """
import os, shutil, sys
d = sys.argv[1]
def w(path, text):
    with open(path, "w") as file:
        file.write(text)
"""


def check(pod: Pod, *flags: str) -> Result:
    return pod.run("system", "check", *flags, check=False)


def mended(pod: Pod, named: str, how: str) -> None:
    """Damage is found and named, mended, and found no more."""
    found = check(pod)
    assert (found.code, found.stderr.splitlines()[0]) == (125, "Error: damage detected in local storage")
    assert named in found.stdout
    repaired = check(pod, "--repair")
    assert (repaired.code, repaired.stderr) == (0, "")
    assert [line for line in repaired.stdout.splitlines() if line.startswith("Repaired") and how in line]
    assert check(pod) == Result(0, "", "")


@pytest.fixture
def image(box: Pod, registry: Registry) -> str:
    """An image of two layers, the upper one of which `FILES` are about, and a container of it."""
    name = registry.push("checked", "1", images.busybox(LAYER))
    box.run("pull", "--quiet", name)
    box.run("run", "--name", "one", name, "sh", "-c", "echo mine >/srv/mine")
    return name


def test_damaged_files_of_a_layer_are_mended(box: Pod, image: str) -> None:
    box.run("tag", image, "localhost/other")
    for code, named, how in FILES.values():
        argv = ["python3", "-c", _SCRIPT + code, f"{box.root}/layers/{KEY}/diff"]
        box.execute(box.argv("unshare", *argv) if box.rootless else argv)
        if named == "digest":
            assert check(box, "--quick").code == 0  # which does not read it
        mended(box, named, how)
    assert box.run("start", "--attach", "one").code == 0
    shown = box.run("run", "--rm", image, "sh", "-c", "stat -c '%a %u %g' /srv/file; cat /srv/file; ls /etc").out
    assert shown.startswith("640 5 6\ncontent")
    assert sorted(box.run("images", "--format", "{{.Repository}}").out.split()) == sorted(
        ["localhost/other", image.rpartition(":")[0], image.rpartition("/")[0] + "/busybox"]
    )


def test_damaged_rows_are_mended(box: Pod, image: str) -> None:
    broken = {
        "UPDATE image SET manifest = x'7b7d' WHERE id = ?": ("its manifest has another digest", "fetched"),
        "UPDATE image SET config = x'00' WHERE id = ?": ("its config has another digest", "fetched"),
        "UPDATE image_layer SET layer = diff_id WHERE image = ?": ("another one than its config says", "rows"),
        "DELETE FROM image_layer WHERE image = ? AND position = 1": ("are others than its config says", "rows"),
        "DELETE FROM image_digest WHERE image = ?": ("it is not known by its digest", "rows"),
        "DELETE FROM pin WHERE image = ?": ("is not kept for this container", ""),
        "INSERT INTO pin VALUES ('nobody', ?)": ("kept for a container that does not exist", ""),
        "INSERT INTO name VALUES ('No Name', ?)": ("it is no name of an image", "taken away"),
    }
    identity = box.run("image", "inspect", "--format", "{{.Id}}", image).out
    for statement, (named, how) in broken.items():
        with sqlite3.connect(f"{box.root}/pod.db") as database:
            database.execute(statement, (identity,))
        database.close()
        found = check(box)
        assert found.code == 125
        assert named in found.stdout
        repaired = check(box, "--repair")
        assert (repaired.code, repaired.stderr) == (0, "")
        assert how in repaired.stdout
        assert check(box) == Result(0, "", "")
    assert box.run("start", "--attach", "one").code == 0


def test_what_cannot_be_mended_is_told_and_removed_by_force(box: Pod, image: str, registry: Registry) -> None:
    box.run("run", "--detach", "--name", "two", image, "sleep", "600")
    with_name = box.run("commit", "--quiet", "one", "localhost/made").out
    gone = ["rm", "-rf", f"{box.root}/layers/{KEY}"]
    box.execute(box.argv("unshare", *gone) if box.rootless else gone)
    told = check(box, "--repair")
    assert told.code == 125
    assert f"Could not repair layer {KEY}: container two is running on it: stop it first" in told.stdout
    assert told.stderr.startswith("Error: damage in local storage still present after repair attempt\n")
    box.run("rm", "--force", "--time", "0", "two")
    assert "fetched from" in check(box, "--repair").stdout
    # Of an image without a name at a registry it is known where its layers were seen.
    box.run("rm", "one")
    box.run("rmi", image)
    box.execute(box.argv("unshare", *gone) if box.rootless else gone)
    assert f"Repaired layer {KEY}: fetched from " in check(box, "--repair").stdout
    box.run("pull", "--quiet", image)
    # A layer of a name that no registry has: nothing brings it back.
    (own,) = {layer for layer in os.listdir(f"{box.root}/layers") if layer != KEY} - set(
        box.run("image", "inspect", "--format", "{{range .RootFS.Layers}}{{.}} {{end}}", image)
        .out.replace("sha256:", "")
        .split()
    )
    box.run("create", "--name", "three", "localhost/made")
    log = Path(f"{box.root}/layers/{own}/headers.zst")
    box.execute(
        box.argv("unshare", "truncate", "-s", "9", str(log)) if box.rootless else ["truncate", "-s", "9", str(log)]
    )
    told = check(box, "--repair")
    assert told.code == 125
    assert f"Could not repair image {with_name}: " in told.stdout
    forced = check(box, "--repair", "--force")
    assert forced.code == 0, forced
    assert f"Deleted damaged image: {with_name}\nDeleted damaged container: " in forced.stdout
    assert check(box) == Result(0, "", "")


def test_a_broken_page_of_the_database_is_told(box: Pod, image: str) -> None:
    with sqlite3.connect(f"{box.root}/pod.db") as database:
        database.execute("PRAGMA journal_mode = DELETE")
        size = database.execute("PRAGMA page_size").fetchone()[0]
        page = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'image_digest_digest'").fetchone()[0]
        table = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'layer_blob'").fetchone()[0]
    database.close()
    with open(f"{box.root}/pod.db", "r+b") as file:
        file.seek((page - 1) * size)
        content = file.read(size)
        file.seek((page - 1) * size)
        file.write(content[:-60] + bytes(60))
    mended(box, "database", "indexes were written anew")
    with sqlite3.connect(f"{box.root}/pod.db") as database:
        database.execute("PRAGMA journal_mode = DELETE")
    database.close()
    with open(f"{box.root}/pod.db", "r+b") as file:
        file.seek((table - 1) * size)
        file.write(b"\xff" * size)
    found = check(box, "--repair")
    assert found.code == 125
    assert "Could not repair database: " in found.stdout
    assert "Traceback" not in found.stderr


def test_layers_of_pulls_that_were_cut_off(box: Pod) -> None:
    orphan = f"{box.root}/layers/{'0' * 64}"
    box.execute(["mkdir", "-p", f"{orphan}/diff"])
    assert check(box) == Result(0, "", "")
    found = check(box, "--max", "0s")
    assert found.stdout == f"Damaged layer {'0' * 64}:\n\t* nothing knows of this directory\n"
    assert check(box, "--max", "x").stderr.startswith('Error: invalid argument "x" for "-m, --max" flag: ')
    assert check(box, "--repair", "--max", "0s").code == 0
    assert not os.path.exists(orphan)
    assert "--force has no meaning without --repair" in check(box, "--force").stderr
