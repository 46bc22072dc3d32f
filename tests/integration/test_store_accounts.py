"""Every byte below the root: each file belongs to something that pod knows, what goes is told, and a store can move."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import replace

from pod.cli.output import human_size
from storage.chain import chain_ids
from tests.fixtures import images
from tests.fixtures.command import Pod
from tests.fixtures.registry import Registry

# What lies directly in the root of a used store.
OWN = {
    "pod.db",
    "pod.db-wal",
    "pod.db-shm",
    "lock",
    "sync.lock",
    "reserve",
    "events/current",
    "events/lock",
}
CHAIN = images.layer(images.entry("opt", mode=0o711, type=b"5"))
UPPER = images.layer(images.entry("opt/file", b"0123456789" * 1000))
DATABASE = ("pod.db", "pod.db-wal", "pod.db-shm", "reserve", "events/current")


def files(pod: Pod) -> dict[str, tuple[int, int]]:
    """Return inode and size of every file below the root, by its path there."""
    script = (
        "import json, os, stat, sys\n"
        "found = {}\n"
        "for top, _, names in os.walk(sys.argv[1]):\n"
        "    for name in names:\n"
        "        path = os.path.join(top, name)\n"
        "        status = os.lstat(path)\n"
        "        if stat.S_ISREG(status.st_mode):\n"
        "            found[os.path.relpath(path, sys.argv[1])] = [status.st_ino, status.st_size]\n"
        "print(json.dumps(found))\n"
    )
    argv = ["python3", "-c", script, pod.root]
    return json.loads(pod.execute(pod.argv("unshare", *argv) if pod.rootless else argv).stdout)  # type: ignore[no-any-return]


def size(found: dict[str, tuple[int, int]]) -> int:
    """Return the bytes of files but for the database's and the log of events, a file with several names once."""
    return sum({inode: size for path, (inode, size) in found.items() if path not in DATABASE}.values())


def used(box: Pod, registry: Registry) -> str:
    """Use a store for all that it is good for; return the name of an image whose layer depends on its parents."""
    chained = registry.push("chained", "1", images.busybox(CHAIN, UPPER))
    box.run("pull", "--quiet", chained)
    box.run("run", "--name", "one", "--volume", "data:/data", chained, "sh", "-c", "echo 12345 >/data/a; echo 1 >/b")
    box.run("run", "--detach", "--name", "two", "--publish", "127.0.0.1::80", chained, "sleep", "600")
    box.run("commit", "--quiet", "one", "localhost/made")
    box.run("secret", "create", "key", "-", input="value")
    box.run("network", "create", "net")
    return chained


def test_every_file_belongs_to_something(box: Pod, busybox: str, registry: Registry) -> None:
    used(box, registry)
    known = {
        "containers": set(box.run("ps", "--all", "--quiet", "--no-trunc").out.split()),
        "volumes": set(box.run("volume", "ls", "--quiet").out.split()),
        "layers": layers(box),
        "secrets": set(box.run("secret", "ls", "--format", "{{.ID}}").out.split()),
    }
    strange = []
    for path in files(box):
        kind, _, rest = path.partition("/")
        if path not in OWN and rest.partition("/")[0] not in known.get(kind, ()):
            strange.append(path)
    assert strange == []
    box.run("rm", "--all", "--force", "--time", "0")
    box.run("rmi", "--all", "--force")
    box.run("volume", "rm", "data")
    box.run("secret", "rm", "key")
    assert set(files(box)) <= OWN


def layers(pod: Pod) -> set[str]:
    """Return the keys of all layers that images have: diffIDs and chain IDs."""
    found: set[str] = set()
    for identity in pod.run("images", "--quiet", "--no-trunc").out.split():
        text = pod.run("image", "inspect", "--format", "{{range .RootFS.Layers}}{{.}} {{end}}", identity).out
        diff_ids = text.split()
        found.update(one.removeprefix("sha256:") for one in [*diff_ids, *chain_ids(diff_ids)])
    return found


def test_what_goes_is_told_in_bytes(box: Pod, busybox: str, registry: Registry) -> None:
    used(box, registry)
    box.run("rm", "--force", "--time", "0", "two")
    partial = f"{box.root}/ingest/{'0' * 64}"
    box.execute(
        [
            "sh",
            "-c",
            f"head -c 1000000 /dev/zero >{partial}; mkdir -p {box.root}/trash/x; echo 1234 >{box.root}/trash/x/y",
        ]
    )
    before = size(files(box))
    assert reclaimed(box.run("system", "prune", "--external").out) == human_size(1_000_005)
    told = box.run("system", "prune", "--force", "--all", "--volumes").out
    left = size(files(box))
    assert reclaimed(told) == human_size(before - 1_000_005 - left)
    assert not [path for path in files(box) if path.startswith(("layers/", "containers/", "volumes/"))]


def reclaimed(text: str) -> str:
    found = re.search(r"^Total reclaimed space: (.*)$", text, re.MULTILINE)
    assert found
    return found[1]


def test_what_an_image_prune_frees(box: Pod, busybox: str, registry: Registry) -> None:
    """A layer that another image has, too, stays, and is not counted."""
    name = registry.push("other", "1", images.busybox(UPPER))
    box.run("pull", "--quiet", name)
    box.run("untag", name)
    before = size(files(box))
    box.run("image", "prune", "--force")
    freed = before - size(files(box))
    assert freed >= 10_000
    event = box.run(
        "events",
        "--since",
        "1h",
        "--stream=false",
        "--filter",
        "type=image",
        "--filter",
        "event=prune",
        "--format",
        "json",
    ).out
    assert f'"{freed}"' in event
    assert box.run("images", "--quiet").out.count("\n") == 0


def test_a_moved_store_is_the_same_store(box: Pod, busybox: str, registry: Registry) -> None:
    chained = used(box, registry)
    box.run("stop", "--time", "0", "two")
    told = {
        words: box.run(*words).out
        for words in (
            ("images", "--format", "{{.Repository}} {{.Tag}} {{.Digest}} {{.ID}} {{.CreatedAt}} {{.Size}}"),
            ("ps", "--all", "--format", "{{.Names}} {{.Image}}"),
            ("volume", "ls"),
        )
    }
    elsewhere = os.path.join(box.directory, "elsewhere")
    os.makedirs(elsewhere)
    shutil.chown(elsewhere, box.user.uid, box.user.gid)
    subprocess.run(["mv", box.root, f"{elsewhere}/moved"], check=True)
    moved = replace(box, options=["--root", f"{elsewhere}/moved", "--runroot", box.runroot])
    try:
        for words, out in told.items():
            assert moved.run(*words).out == out
        assert moved.run("start", "--attach", "one").code == 0
        moved.run("start", "two")
        assert moved.run("exec", "two", "cat", "/opt/file").out == "0123456789" * 1000
        assert moved.run("run", "--rm", "--volume", "data:/data", chained, "cat", "/data/a").out == "12345"
        assert moved.run("logs", "one").code == 0
        assert moved.run("system", "check").out == ""
        told_of = json.loads(moved.run("inspect", "one", "two", "localhost/made", chained).out)
        for one in told_of[:2]:
            del one["Config"]["CreateCommand"]
        told_of += json.loads(moved.run("secret", "inspect", "key").out) + json.loads(
            moved.run("volume", "inspect", "data").out
        )
        assert box.root not in json.dumps(told_of)
        assert moved.run("run", "--rm", "--secret", "key", chained, "cat", "/run/secrets/key").out == "value"
        moved.run("restart", "--time", "0", "two")
    finally:
        moved.run("rm", "--all", "--force", "--time", "0")
        assert not os.path.exists(box.root)
        subprocess.run(["mv", f"{elsewhere}/moved", box.root], check=True)
