"""Layers that are kept as tars with an EROFS index: root's containers on them are as on directories.

`POD_TEST_LAYERS=erofs` runs all other tests with such layers, too.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from storage.layers.erofs import mounting
from tests.fixtures import images
from tests.fixtures.command import Pod
from tests.fixtures.registry import Registry

UPPER = images.layer(
    images.entry("etc/.wh.group", b""),
    images.entry("srv", mode=0o750, type=b"5"),
    images.entry("srv/file", b"content", mode=0o640, uid=5, gid=6),
    images.link("srv/linked", "srv/file"),
    images.entry("tmp/.wh..wh..opq", b""),
)
# It has an entry for everything.
WHOLE = images.layer(images.entry("srv", type=b"5"), images.entry("srv/file", b"content"))
# It takes the attributes of a directory from the layer below.
IMPLYING = images.layer(images.entry("srv/more", b"more"))
# It has a hard link to a file of another layer: no index can say that.
LEANING = images.layer(images.link("srv/again", "srv/file"))


@pytest.fixture
def keeping(pod: Pod) -> Pod:
    """`pod` of root that keeps layers, where the kernel can."""
    if pod.rootless or mounting.obstacle(pod.directory):
        pytest.skip("the kernel mounts EROFS from files for root only, since 6.15, and not on every file system")
    pod.environment["STORAGE_OPTS"] = "overlay.pod_layers=erofs"
    return pod


def kinds(pod: Pod) -> list[str]:
    """Tell what there is of each layer."""
    return sorted(" ".join(sorted(os.listdir(f"{pod.root}/layers/{key}"))) for key in os.listdir(f"{pod.root}/layers"))


def test_containers_on_kept_layers(keeping: Pod, registry: Registry) -> None:
    pod = keeping
    image = registry.push("kept", "latest", images.busybox(UPPER))
    pod.run("pull", "--quiet", image)
    assert kinds(pod) == ["layer.erofs layer.tar"] * 2
    files = list(Path(pod.root, "layers").glob("*/layer.*"))
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    script = "cat /srv/linked; ls /etc/group /tmp; stat -c %u:%g:%a:%h /srv/file; echo new >/srv/file; rm /srv/linked"
    told = pod.run("run", "--name", "c", image, "sh", "-c", script, check=False)
    assert told.stdout == "content/tmp:\n5:6:640:2\n"
    assert "/etc/group: No such file" in told.stderr
    assert pod.run("diff", "c").stdout == "C /etc\nC /srv\nC /srv/file\nD /srv/linked\n"
    assert pod.run("export", "c").code == 0
    pod.run("cp", "c:/srv/file", f"{pod.home}/file")
    assert Path(pod.home, "file").read_text() == "new\n"
    pod.run("commit", "--quiet", "c", "localhost/made")
    assert set(kinds(pod)) == {"layer.erofs layer.tar"}
    assert pod.run("run", "--rm", "localhost/made", "ls", "/srv").stdout == "file\n"
    assert "D /srv/linked" in pod.run("image", "diff", "localhost/made").stdout
    shifted = ["--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536"]
    owner = pod.run("run", "--rm", *shifted, "localhost/made", "stat", "-c", "%u:%g", "/srv", "/bin/busybox").stdout
    assert owner == "0:0\n0:0\n"
    mount = f"type=image,source={image},destination=/image,rw=true"
    assert pod.run("run", "--rm", "--mount", mount, "localhost/made", "cat", "/image/srv/file").stdout == "content"
    assert pod.run("system", "check").code == 0
    assert f"{pod.directory}/root/layers" not in Path("/proc/mounts").read_text()
    pod.run("rm", "c")
    pod.run("rmi", "--all")
    assert os.listdir(f"{pod.root}/layers") == []


def test_a_store_holds_both_kinds(keeping: Pod, registry: Registry) -> None:
    pod = keeping
    base = registry.push("both", "base", images.busybox())
    top = registry.push("both", "top", images.busybox(UPPER, IMPLYING, LEANING))
    pod.run("pull", "--quiet", base, env={"STORAGE_OPTS": ""})
    assert kinds(pod) == ["diff headers.zst"]
    pod.run("pull", "--quiet", top)
    assert kinds(pod) == ["diff headers.zst"] * 2 + ["layer.erofs layer.tar"] * 2
    shown = pod.run("run", "--rm", top, "stat", "-c", "%a:%h", "/srv", "/srv/more", "/srv/again").stdout
    assert shown == "750:1\n644:1\n640:1\n"
    assert pod.run("system", "check").code == 0


def test_kept_layers_are_mended(keeping: Pod, registry: Registry) -> None:
    pod = keeping
    image = registry.push("mended", "latest", images.busybox(WHOLE))
    pod.run("pull", "--quiet", image)
    directory = f"{pod.root}/layers/{WHOLE.diff_id[7:]}"
    for name, how in (("layer.erofs", "own files"), ("layer.tar", "fetched from")):
        with open(f"{directory}/{name}", "r+b") as file:
            file.seek(1600)
            file.write(b"damaged")
        told = pod.run("system", "check", check=False)
        assert told.code == 125
        assert how in pod.run("system", "check", "--repair").stdout
        assert kinds(pod) == ["layer.erofs layer.tar"] * 2
        assert pod.run("run", "--rm", image, "cat", "/srv/file").stdout == "content"


def test_where_layers_cannot_be_kept_they_are_unpacked(pod: Pod, busybox: str) -> None:
    if not pod.rootless:
        pytest.skip("root can")
    told = pod.run("pull", busybox, env={"STORAGE_OPTS": "overlay.pod_layers=erofs"})
    assert "unpacked into directories, not kept as EROFS: only root" in told.stdout + told.stderr
    assert kinds(pod) == ["diff headers.zst"]


def test_storage_conf_says_where_and_how(keeping: Pod, busybox: str) -> None:
    pod = keeping
    del pod.environment["STORAGE_OPTS"]
    configuration = Path(pod.directory, "storage.conf")
    configuration.write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{pod.directory}/g"\nrunroot = "{pod.directory}/r"\n'
        '[storage.options.overlay]\npod_layers = "erofs"\n'
    )
    pod.environment["CONTAINERS_STORAGE_CONF"] = str(configuration)
    command = [pod.command]
    pod.execute([*command, "pull", "--quiet", busybox])
    (key,) = os.listdir(f"{pod.directory}/g/pod/layers")
    assert sorted(os.listdir(f"{pod.directory}/g/pod/layers/{key}")) == ["layer.erofs", "layer.tar"]
    assert pod.execute([*command, "run", "--rm", busybox, "echo", "here"]).stdout == "here\n"
    configuration.write_text('[storage.options.overlay]\npod_layers = "zip"\n')
    told = pod.execute([*command, "images"], check=False)
    assert told.stderr.splitlines()[0] == f'Error: {configuration}: pod_layers: "zip" is unknown'
