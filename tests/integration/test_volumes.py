"""`pod volume`: every command and flag, as a user types them."""

from __future__ import annotations

import fcntl
import json
import os
import struct
import tarfile
import termios
import time
from pathlib import Path
from typing import IO

from tests.fixtures import images
from tests.fixtures.command import Pod
from tests.fixtures.monitor import eventually


def names(box: Pod, *options: str) -> set[str]:
    """Return the names that `volume ls` lists."""
    return set(box.run("volume", "ls", "--quiet", *options).out.split())


def test_create_and_inspect(pod: Pod) -> None:
    assert pod.run("volume", "create", "--label", "a=1", "-l", "b", "--uid", "5", "--gid", "6", "v").out == "v"
    assert pod.run("volume", "create", "--ignore", "v").out == "v"
    found = json.loads(pod.run("volume", "inspect", "v").stdout)[0]
    assert (found["Labels"], found["UID"], found["GID"]) == ({"a": "1", "b": ""}, 5, 6)
    assert (found["Driver"], found["Scope"], found["MountCount"], found["NeedsCopyUp"]) == ("local", "local", 0, True)
    assert not found["Anonymous"]
    pod.run("volume", "create", "--driver", "local", "--opt", "o=uid=7,gid=8", "w")
    listed = json.loads(pod.run("volume", "inspect", "--all").stdout)
    assert [(one["Name"], one.get("UID")) for one in listed] == [("v", 5), ("w", 7)]
    nameless = pod.run("volume", "create").out
    assert len(nameless) == 64
    assert pod.run("volume", "inspect", "--format", "{{.Anonymous}}", nameless).out == "true"
    status = os.stat(found["Mountpoint"])
    assert pod.rootless or (status.st_uid, status.st_gid) == (5, 6)


def test_ls_and_its_filters(box: Pod, busybox: str) -> None:
    box.run("volume", "create", "--label", "tier=db", "first")
    time.sleep(0.01)
    box.run("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "second")
    box.run("create", "--name", "c", "-v", "used:/x", "-v", "/nameless", busybox)
    nameless = (names(box) - {"first", "second", "used"}).pop()
    everything = {"first", "second", "used", nameless}
    expected = {
        "name=fir": {"first"},
        "name=^(first|second)$": {"first", "second"},
        "driver=local": everything,
        "driver=other": set(),
        "scope=local": everything,
        "label=tier": {"first"},
        "label=tier=db": {"first"},
        "label!=tier": everything - {"first"},
        "opt=type": {"second"},
        "opt=type=tmpfs": {"second"},
        "opt=type=nfs": set(),
        "dangling=true": {"first", "second"},
        "dangling=false": {"used", nameless},
        "anonymous=true": {nameless},
        "until=1h": set(),
        "until=2100-01-01": everything,
        "since=first": everything - {"first"},
        "after=second": {"used", nameless},
    }
    assert {text: names(box, "--filter", text) for text in expected} == expected
    assert box.run("volume", "ls").stdout.splitlines()[0].split() == ["DRIVER", "VOLUME", "NAME"]
    assert "DRIVER" not in box.run("volume", "ls", "--noheading").stdout
    lines = box.run("volume", "ls", "--format", "{{.Name}} {{.Driver}} {{.Scope}}").stdout.splitlines()
    assert "first local local" in lines
    assert {one["Name"] for one in json.loads(box.run("volume", "ls", "--format", "json").stdout)} == everything
    for text, message in (
        ("frob=1", '"frob" is an invalid volume filter'),
        ("name", "filter input must be in the form of filter=value: name is invalid"),
        ("dangling=maybe", '"maybe" is not a valid value for the "dangling" filter - must be true or false'),
        ("until=frob", 'failed to parse value as time or duration: "frob"'),
    ):
        refused = box.run("volume", "ls", "-f", text, check=False)
        assert refused.code == 125
        assert message in refused.stderr


def test_rm(box: Pod, busybox: str) -> None:
    for name in ("one", "other", "used"):
        box.run("volume", "create", name)
    box.run("run", "-d", "--name", "c", "-v", "used:/x", busybox, "sleep", "100")
    assert box.run("volume", "rm", "one").out == "one"
    refused = box.run("volume", "rm", "used", check=False)
    assert refused.code == 2
    assert "volume used is being used by the following container(s)" in refused.stderr
    assert box.run("volume", "rm", "nothing", check=False).code == 1
    assert box.run("volume", "rm", "--force", "nothing").code == 0
    box.run("volume", "create", "others")
    ambiguous = box.run("volume", "rm", "othe", check=False)
    assert (ambiguous.code, 'more than one result for volume name "othe"' in ambiguous.stderr) == (125, True)
    assert box.run("volume", "rm", "used", "--all", check=False).code == 125
    assert box.run("volume", "rm", "--time", "0", "used", check=False).code == 125
    # By force its container goes first.
    assert box.run("volume", "rm", "--force", "--time", "0", "used").out == "used"
    box.run("run", "-d", "--stop-signal", "KILL", "-v", "used:/data", busybox, "sleep", "1000")
    assert box.run("volume", "rm", "--force", "--time", "99999999999", "used").out == "used"
    assert box.run("ps", "-aq").out == ""
    box.run("volume", "rm", "--all")
    assert names(box) == set()


def test_prune(box: Pod, busybox: str) -> None:
    for name in ("one", "other"):
        box.run("volume", "create", "--label", f"which={name}", name)
    box.run("create", "-v", "used:/x", busybox)
    asked = box.run("volume", "prune", input="n\n")
    assert "The following volumes will be removed:\none\nother\n" in asked.stdout
    assert names(box) == {"one", "other", "used"}
    assert box.run("volume", "prune", "--force", "--filter", "label=which=one").out == "one"
    assert "other" in box.run("volume", "prune", "--all", input="y\n").stdout
    assert names(box) == {"used"}
    assert box.run("volume", "prune", "-f", "--filter", "frob=1", check=False).code == 125


def test_export_and_import(box: Pod, busybox: str) -> None:
    script = "cd /x; mkdir -p a/b; echo one > a/file; ln a/file a/hard; ln -s file a/soft; chown 3:4 a/b; chmod 750 a/b"
    box.run("run", "--rm", "-v", "from:/x", busybox, "sh", "-c", script)
    path = os.path.join(box.home, "out.tar")
    box.run("volume", "export", "--output", path, "from")
    with tarfile.open(path) as tar:
        found = {member.name: member for member in tar}
    assert set(found) == {".", "a", "a/b", "a/file", "a/hard", "a/soft"}
    assert found["a/hard"].islnk() or found["a/file"].islnk()
    assert (found["a/b"].uid, found["a/b"].gid, found["a/b"].mode) == (3, 4, 0o750)
    with open(path, "rb") as file:
        data = file.read()
    for number, content in enumerate((data, images.gzip(data))):
        box.run("volume", "create", f"to{number}")
        box.run(
            "run",
            "--rm",
            "-v",
            f"to{number}:/x",
            busybox,
            "sh",
            "-c",
            "mkdir /x/a; echo old > /x/a/file; echo k > /x/kept",
        )
        box.run("volume", "import", f"to{number}", *(["-"] if number else [path]), input=content if number else None)
        script = "cd /x; cat a/file a/hard a/soft kept; stat -c %u:%g:%a a/b; readlink a/soft"
        shown = box.run("run", "--rm", "-v", f"to{number}:/x", busybox, "sh", "-c", script)
        assert shown.out.split() == ["one", "one", "one", "k", "3:4:750", "file"]
    with open(path + ".gz", "wb") as file:
        file.write(images.gzip(data))
    for line, message in (
        (["volume", "export", "nothing"], "no such volume nothing"),
        (["volume", "import", "nothing", path], "no such volume nothing"),
        (["volume", "import", "from", "/no/such"], "open /no/such: no such file or directory"),
        (["volume", "export", "from", "-o", "/no/such/x"], "could not create tarball file '/no/such/x'"),
        (["volume", "import", "from", "/etc/services"], ""),
    ):
        refused = box.run(*line, check=False)
        assert refused.code == 125, refused
        assert message in refused.stderr
        assert len(refused.stderr.splitlines()) <= 2


def test_hostile_tars_stay_in_the_volume(box: Pod, busybox: str) -> None:
    victim = os.path.join(box.home, "victim")
    os.mkdir(victim)
    os.chown(victim, box.user.uid, box.user.gid)
    device = tarfile.TarInfo("device")
    device.type, device.devmajor, device.devminor = tarfile.CHRTYPE, 1, 3
    hostile = [
        images.tar(images.entry("../../../../up", b"x"), images.entry("fine", b"f")),
        images.tar(images.symlink("link", victim), images.entry("link/through", b"x")),
        images.tar(images.symlink("link", "../../../.."), images.entry("link/up", b"x")),
        images.tar(images.link("hard", f"{victim}/file"), images.entry("hard", b"x")),
        images.tar((device, b""), images.entry(".wh.fine", b"a name")),
    ]
    for number, data in enumerate(hostile):
        box.run("volume", "create", f"v{number}")
        # The volume holds a link to the outside already.
        box.run("run", "--rm", "-v", f"v{number}:/x", busybox, "ln", "-s", victim, "/x/before")
        more = images.tar(images.entry("before/into", b"x"))
        for content in (data, more):
            result = box.run("volume", "import", f"v{number}", "-", input=content, check=False)
            assert result.code in (0, 125)
            assert "Traceback" not in result.stderr
        assert os.listdir(victim) == []
    assert not os.path.exists(f"{box.root}/volumes/up")
    assert sorted(os.listdir(f"{box.root}/volumes")) == [f"v{number}" for number in range(len(hostile))]
    shown = box.run("run", "--rm", "-v", "v4:/x", busybox, "find", "/x", "-type", "c").out
    assert shown == ""
    assert box.run("run", "--rm", "-v", "v4:/x", busybox, "cat", "/x/.wh.fine").out == "a name"


def test_tmpfs_volume_is_one_for_all_its_users(box: Pod, busybox: str) -> None:
    box.run("volume", "create", "--opt", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m,uid=5,mode=0700", "t")
    box.run("run", "-d", "--name", "c", "-v", "t:/x", busybox, "sh", "-c", "echo shared > /x/file; exec sleep 100")
    script = (
        "until cat /y/file 2>/dev/null; do :; done; grep ' /y ' /proc/mounts; stat -c %u:%a /y; echo back > /y/back"
    )
    shown = box.run("run", "--rm", "-v", "t:/y", busybox, "timeout", "60", "sh", "-c", script).out
    assert shown.startswith("shared")
    assert "size=1024k" in shown
    assert shown.endswith("5:700")
    assert box.run("exec", "c", "cat", "/x/back").out == "back"
    assert box.run("volume", "inspect", "--format", "{{.MountCount}}", "t").out == "1"
    data = box.execute([*box.argv("volume", "export", "t")]).stdout
    assert "file" in data
    box.run("volume", "import", "t", "-", input=images.tar(images.entry("in", b"imported")))
    assert box.run("exec", "c", "cat", "/x/in").out == "imported"
    box.run("rm", "--force", "--time", "0", "c")
    assert box.run("volume", "inspect", "--format", "{{.MountCount}}", "t").out == "0"
    assert box.run("run", "--rm", "-v", "t:/x", busybox, "ls", "/x").out == ""
    with open("/proc/mounts") as file:
        assert box.directory not in file.read()


def test_bind_volume(box: Pod, busybox: str) -> None:
    place = os.path.join(box.home, "place")
    os.mkdir(place)
    os.chown(place, box.user.uid, box.user.gid)
    box.run("volume", "create", "-o", "type=none", "-o", "o=bind", "-o", f"device={place}", "b")
    box.run("run", "--rm", "-v", "b:/x:nocopy", busybox, "touch", "/x/file")
    assert os.listdir(place) == ["file"]
    box.run("run", "-d", "--rm", "--name", "c", "-v", "b:/x", busybox, "sleep", "100")
    box.run("rm", "-f", "-t", "0", "c")
    box.run("volume", "rm", "b")
    assert os.listdir(place) == ["file"]  # what the volume was made of is the user's own


def test_volume_mount(box: Pod) -> None:
    box.run("volume", "create", "v")
    path = box.run("volume", "mount", "v").out
    assert path == box.run("volume", "inspect", "--format", "{{.Mountpoint}}", "v").out
    assert box.run("volume", "inspect", "--format", "{{.MountCount}}", "v").out == "1"
    assert box.run("volume", "unmount", "v").out == "v"
    assert box.run("volume", "unmount", "v").out == "v"
    box.run("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "t")
    if box.rootless:
        refused = box.run("volume", "mount", "t", check=False)
        assert (refused.code, "must execute `pod unshare` first" in refused.stderr) == (125, True)
    else:
        path = box.run("volume", "mount", "t").out
        assert os.path.ismount(path)
        box.run("volume", "unmount", "t")
        assert not os.path.exists(path)
        path = box.run("volume", "mount", "t").out
        Path(path, "file").write_text("x")
    box.run("volume", "rm", "-a")
    with open("/proc/mounts") as file:
        assert box.directory not in file.read()
    for word in ("mount", "unmount"):
        assert "no such volume" in box.run("volume", word, "nothing", check=False).stderr


def test_reload_and_exists(pod: Pod) -> None:
    assert "no volume plugins" in pod.run("volume", "reload").out
    assert pod.run("volume", "exists", "v", check=False).code == 1
    pod.run("volume", "create", "v")
    assert pod.run("volume", "exists", "v").code == 0


REFUSED = [
    ("volume create v", "volume with name v already exists: volume already exists"),
    ("volume create a/b", "names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument"),
    ("volume create -o frob=1 x", "invalid mount option frob for driver 'local': invalid argument"),
    ("volume create -o o=size=2m x", "Filesystem does not support Project Quota"),
    ("volume create -o type=bind -o device=/nope x", "invalid volume option device for driver 'local': stat /nope"),
    ("volume create -d plugin x", 'volume driver "plugin"'),
    ("volume inspect nothing", "inspecting object: no such volume nothing"),
    ("volume inspect", "provide one or more volume names or use --all"),
    ("volume rm", "choose either one or more volumes or all"),
]


def test_refused_with_the_words_of_podman(pod: Pod) -> None:
    pod.run("volume", "create", "v")
    for line, message in REFUSED:
        result = pod.run(*line.split(), check=False)
        assert result.code == 125, (line, result)
        assert message in result.stderr, (line, result)
    assert names(pod) == {"v"}


def test_copy_up_keeps_links_holes_and_owners(box: Pod, busybox: str) -> None:
    make = "mkdir /d; cd /d; cp /bin/busybox .; echo x > a; ln a b; mkfifo p; chown 3:4 a; chmod 4711 a; ln -s a l"
    box.run("run", "--name", "c", busybox, "sh", "-c", f"{make}; truncate -s 50000000 sparse")
    # What a container has written, made an image of its own.
    upper = f"{box.root}/containers/{box.run('inspect', '-f', '{{.Id}}', 'c').out}/upper"
    pack = ["tar", "-C", upper, "--sparse", "--numeric-owner", "-c", "."]
    path = os.path.join(box.home, "layer.tar")
    box.execute(["sh", "-c", f"{' '.join([*box.argv('unshare'), *pack] if box.rootless else pack)} > {path}"])
    box.run("import", path, "localhost/links")
    script = "stat -c '%n %u:%g:%a %h %b' /d/a /d/b /d/p /d/sparse; readlink /d/l"
    line = ["/d/busybox", "sh", "-c", script.replace("stat", "/d/busybox stat").replace("read", "/d/busybox read")]
    shown = box.run("run", "--rm", "-v", "new:/d", "localhost/links", *line).out.splitlines()
    assert shown[0].split()[:3] == ["/d/a", "3:4:4711", "2"]
    assert shown[1].split()[:3] == ["/d/b", "3:4:4711", "2"]
    assert shown[2].startswith("/d/p")
    assert int(shown[3].split()[-1]) < 100
    assert shown[4] == "a"


def unread(pipe: IO[bytes] | None) -> int:
    """Return how many bytes wait in a pipe."""
    assert pipe is not None
    return int(struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0])


def test_a_monitor_that_lives_for_its_reader_only_uses_no_volume(box: Pod, busybox: str) -> None:
    box.run("volume", "create", "--opt", "type=tmpfs", "-o", "device=tmpfs", "t")
    with box.start("run", "--name", "c", "-v", "t:/x", busybox, "sh", "-c", "touch /x/file; exec yes") as process:
        eventually(lambda: box.run("volume", "inspect", "--format", "{{.MountCount}}", "t").out == "1")
        eventually(lambda: unread(process.stdout) == 1 << 16)  # nobody reads it, and it is full
        box.run("rm", "-f", "-t", "0", "c")
        assert process.poll() is None
        assert box.run("volume", "inspect", "--format", "{{.MountCount}}", "t").out == "0"
        assert box.run("run", "--rm", "-v", "t:/x", busybox, "ls", "/x").out == ""
        process.communicate(timeout=60)


def test_an_export_has_of_attributes_those_of_users(pod: Pod) -> None:
    pod.run("volume", "create", "from")
    top = pod.run("volume", "inspect", "-f", "{{.Mountpoint}}", "from").out
    with open(f"{top}/file", "wb"):
        pass
    os.setxattr(f"{top}/file", "user.kept", b"\xff yes")
    os.setxattr(top, "user.top", b"1")
    if not pod.rootless:
        os.setxattr(f"{top}/file", "trusted.left", b"no")
    path = os.path.join(pod.home, "out.tar")
    pod.run("volume", "export", "-o", path, "from")
    with tarfile.open(path) as tar:
        found = {member.name: member.pax_headers for member in tar}
    assert list(found) == [".", "file"]
    assert found["."] == {"SCHILY.xattr.user.top": "1"}
    assert found["file"] == {"SCHILY.xattr.user.kept": "\udcff yes"}
