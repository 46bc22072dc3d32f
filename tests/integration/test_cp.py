"""`pod cp`: every direction, what names come to, links, owners, and what is refused. Source: podman-cp(1)."""

from __future__ import annotations

import io
import os
import tarfile

import pytest

from tests.fixtures.command import Pod


@pytest.fixture
def work(box: Pod, busybox: str) -> str:
    """A directory of the user's with files, and a container `c` that is created, and runs as user 1000."""
    directory = os.path.join(box.home, "work")
    script = "mkdir -p d/sub out; echo a >a; echo b >d/sub/b; ln -s ../a d/link; echo same >d/one; ln d/one d/two"
    box.execute(["sh", "-c", f"mkdir {directory}; cd {directory}; {script}; chmod 640 a; touch -d @1000000000 a"])
    box.run("create", "--name", "c", "--user", "1000:1001", busybox, "sleep", "600")
    return directory


def failed(pod: Pod, *words: str) -> str:
    done = pod.run(*words, check=False)
    assert done.code == 125, done
    return done.stderr.splitlines()[0].removeprefix("Error: ")


def inside(pod: Pod, script: str) -> str:
    return pod.run("exec", "--user", "0", "c", "sh", "-c", script).out


@pytest.mark.parametrize("running", [False, True])
def test_there_and_back(box: Pod, work: str, running: bool) -> None:
    if running:
        box.run("start", "c")
    box.run("cp", f"{work}/a", "c:/tmp")
    box.run("cp", f"{work}/a", "c:tmp/new")
    box.run("cp", f"{work}/d", "c:/tmp")
    box.run("cp", f"{work}/d", "c:/made")
    box.run("cp", f"{work}/d/.", "c:/made")
    box.run("cp", f"{work}/d/", "c:/made")
    box.run("cp", "c:/made", f"{work}/out")
    box.run("cp", "c:/tmp/new", f"{work}/out/renamed")
    box.run("cp", "c:/tmp/new", f"{work}/a")
    box.run("container", "cp", "c:/made/.", f"{work}/whole")
    assert sorted(os.listdir(f"{work}/out")) == ["made", "renamed"]
    assert sorted(os.listdir(f"{work}/out/made")) == sorted(os.listdir(f"{work}/whole"))
    assert sorted(os.listdir(f"{work}/whole")) == ["d", "link", "one", "sub", "two"]
    assert os.readlink(f"{work}/whole/link") == "../a"
    one, two = os.stat(f"{work}/whole/one"), os.stat(f"{work}/whole/two")
    assert (one.st_ino, one.st_uid, one.st_gid) == (two.st_ino, box.user.uid, box.user.gid)
    with open(f"{work}/out/made/sub/b", encoding="ascii") as file:
        assert file.read() == "b\n"
    if not running:
        box.run("start", "c")
    assert inside(box, "stat -c '%u:%g %a %Y' /tmp/new /made/sub/b").splitlines() == [
        "1000:1001 640 1000000000",
        f"1000:1001 644 {int(os.stat(f'{work}/d/sub/b').st_mtime)}",
    ]
    assert inside(box, "ls /tmp; stat -c %h /made/one") == "a\nd\nnew\n2"


def test_owners_that_are_kept(box: Pod, work: str) -> None:
    box.run("start", "c")
    box.run("cp", "--archive=false", f"{work}/a", "c:/tmp/kept")
    box.run("cp", "-a=true", f"{work}/a", "c:/tmp/given")
    inside(box, "chown 5:6 /tmp/given")
    box.run("cp", "-a=false", "c:/tmp/given", "c:/tmp/copied")
    assert inside(box, "cd /tmp; stat -c '%n %u:%g' kept given copied").splitlines() == [
        "kept 0:0",
        "given 5:6",
        "copied 5:6",
    ]


def test_between_containers_and_into_itself(box: Pod, busybox: str, work: str) -> None:
    box.run("run", "--detach", "--name", "other", busybox, "sleep", "600")
    box.run("cp", f"{work}/d", "c:/d")
    box.run("cp", "c:/d", "other:/tmp")
    assert box.run("exec", "other", "cat", "/tmp/d/sub/b").out == "b"
    box.run("cp", "other:/tmp/d", "other:/tmp/d/sub")
    assert box.run("exec", "other", "sh", "-c", "find /tmp/d/sub -name b | sort").out.split() == [
        "/tmp/d/sub/b",
        "/tmp/d/sub/d/sub/b",
    ]
    box.run("cp", "other:/tmp/d/one", "other:/tmp/d/one")
    assert box.run("exec", "other", "cat", "/tmp/d/one").out == "same"


def test_streams(box: Pod, work: str) -> None:
    box.run("cp", f"{work}/d", "c:/d")
    data = box.execute([*box.argv("cp", "c:/d", "-")], check=True).stdout.encode()
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.getnames() == ["d", "d/link", "d/one", "d/sub", "d/sub/b", "d/two"]
        assert (archive.getmember("d/sub/b").uid, archive.getmember("d/two").linkname) == (1000, "d/one")
    box.run("cp", "-", "c:/tmp", input=data)
    box.run("start", "c")
    assert inside(box, "cat /tmp/d/sub/b; readlink /tmp/d/link; stat -c '%h %u' /tmp/d/two") == "b\n../a\n2 1000"
    data = box.execute([*box.argv("cp", "c:/d/.", "-")]).stdout.encode()
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert "sub/b" in archive.getnames()
    assert failed(box, "cp", "-", "c:/tmp/d/one") == "destination must be a directory when copying from stdin"
    for wrong in (b"", b"no tar at all", b"x" * 2000):
        done = box.run("cp", "-", "c:/tmp", input=wrong, check=False)
        assert done.stderr == "Error: source must be a (compressed) tar archive when copying from stdin\n"


def test_links_are_resolved_inside(box: Pod, work: str) -> None:
    box.run("start", "c")
    inside(
        box,
        "ln -s /etc/made /tmp/nirvana; ln -s /data /tmp/to; mkdir /data; ln -s ../../../../data /up; echo 1 >/data/f",
    )
    box.run("cp", f"{work}/a", "c:/tmp/to")
    box.run("cp", f"{work}/a", "c:/tmp/nirvana")
    box.run("cp", f"{work}/a", "c:/up/b")
    assert inside(box, "cat /etc/made; ls /data") == "a\na\nb\nf"
    box.run("cp", "c:/tmp/to", f"{work}/out")
    assert sorted(os.listdir(f"{work}/out/data")) == ["a", "b", "f"]
    os.symlink("a", f"{work}/to-a")
    box.run("cp", f"{work}/to-a", "c:/data/")
    assert inside(box, "ls /data; cat /data/a") == "a\nb\nf\na"


def test_volumes_and_host_directories(box: Pod, busybox: str, work: str) -> None:
    line = ("create", "--name", "v", "-v", "data:/data", "-v", f"{work}/out:/host/dir", "-v", f"{work}/a:/one", busybox)
    box.run(*line, "sleep", "600")
    box.run("cp", f"{work}/d", "v:/data/d")
    box.run("cp", f"{work}/d/one", "v:/host/dir/")
    box.run("cp", f"{work}/d/one", "v:/one")
    with open(f"{work}/a", encoding="ascii") as file:
        assert file.read() == "same\n"
    assert os.listdir(f"{work}/out") == ["one"]
    box.run("start", "v")
    assert box.run("exec", "v", "cat", "/data/d/sub/b").out == "b"
    box.run("cp", f"{work}/d/sub/b", "v:/etc/hosts")
    assert box.run("exec", "v", "cat", "/etc/hosts").out == "b"
    box.run("cp", "v:/data/d/.", f"{work}/back")
    assert sorted(os.listdir(f"{work}/back")) == ["link", "one", "sub", "two"]


def test_what_is_refused(box: Pod, work: str) -> None:
    gone = "no such file or directory"
    assert failed(box, "cp", f"{work}/none", "c:/tmp") == f'"{work}/none" could not be found on the host: {gone}'
    assert failed(box, "cp", "c:/none", work) == f'"/none" could not be found on container c: {gone}'
    assert failed(box, "cp", "none:/x", work) == 'container "none" does not exist'
    assert failed(box, "cp", f"{work}/a", f"{work}/b").endswith("you must specify one container")
    assert failed(box, "cp", "", "c:/tmp").endswith("you must specify paths")
    assert failed(box, "cp", f"{work}/a", "c:").endswith("you must specify paths")
    assert failed(box, "cp", f"{work}/a", "c:/no/x") == f'"/no/x" could not be found on container c: {gone}'
    assert failed(box, "cp", f"{work}/a", "c:/tmp/no/") == f'"/tmp/no/" could not be found on container c: {gone}'
    assert failed(box, "cp", "c:/tmp", f"{work}/no/x") == f'"{work}/no/x" could not be found on the host: {gone}'
    assert failed(box, "cp", f"{work}/a/", "c:/tmp").endswith("could not be found on the host: not a directory")
    directory = "destination must be a directory when copying a directory"
    assert failed(box, "cp", f"{work}/d", "c:/etc/passwd") == failed(box, "cp", "c:/etc", f"{work}/a") == directory
    assert failed(box, "cp", "c:/x") == "accepts 2 arg(s), received 1"
    box.run("start", "c")
    for path in ("/proc/x", "/proc/sys/kernel/hostname", "/sys/x"):
        assert failed(box, "cp", f"{work}/a", f"c:{path}").endswith("operation not permitted"), path
    assert failed(box, "cp", "c:/proc/version", work).endswith("operation not permitted")
    box.execute(["mkdir", "-p", f"{work}/x/proc/sys/kernel"])
    assert failed(box, "cp", f"{work}/x/.", "c:/").endswith("proc is of the kernel: operation not permitted")


def test_overwrite(box: Pod, work: str) -> None:
    box.run("cp", f"{work}/a", "c:/tmp/d")
    box.execute(["sh", "-c", f"mkdir -p {work}/x/a; echo 1 >{work}/x/a/inner; mkdir {work}/y; cp -r {work}/d {work}/y"])
    refusal = 'refusing to overwrite non-directory "d" with a directory'
    assert failed(box, "cp", f"{work}/y/.", "c:/tmp") == refusal
    box.run("cp", "--overwrite", f"{work}/y/.", "c:/tmp")
    refusal = 'refusing to overwrite directory "d" with a non-directory'
    box.execute(["sh", "-c", f"rm -r {work}/y/d; echo file >{work}/y/d"])
    assert failed(box, "cp", f"{work}/y/d", "c:/tmp/../tmp/") == refusal
    box.run("cp", "--overwrite", f"{work}/y/d", "c:/tmp/")
    assert box.run("cp", "c:/tmp/d", f"{work}/z").out == ""
    with open(f"{work}/z", encoding="ascii") as file:
        assert file.read() == "file\n"


def test_odd_files(box: Pod, work: str) -> None:
    name = b"not utf-8 \xff\xfe\n"
    with open(os.fsencode(work) + b"/d/" + name, "wb") as file:
        file.truncate(64 << 20)
        file.seek(32 << 20)
        file.write(b"middle")
    os.setxattr(os.fsencode(work) + b"/d/" + name, "user.note", b"kept")
    os.mkfifo(f"{work}/d/fifo", 0o600)
    box.run("cp", f"{work}/d", "c:/odd")  # comes to an end, although nobody writes to the fifo
    box.run("cp", "c:/odd", f"{work}/out")
    copy = os.fsencode(work) + b"/out/odd/" + name
    found = os.stat(copy)
    assert (found.st_size, os.getxattr(copy, "user.note")) == (64 << 20, b"kept")
    assert found.st_blocks * 512 < 1 << 20
    with open(copy, "rb") as file:
        file.seek(32 << 20)
        assert file.read(6) == b"middle"
    assert os.path.exists(f"{work}/out/odd/fifo")


def test_a_full_disk(box: Pod, busybox: str, work: str) -> None:
    """It is said in one line, what was there stays, and no part of the new one does."""
    tmpfs = "type=tmpfs,destination=/small,tmpfs-size=1m,tmpfs-mode=1777"
    box.run("run", "--detach", "--name", "full", "--mount", tmpfs, busybox, "sleep", "600")
    box.run("cp", f"{work}/a", "full:/small/big")
    with open(f"{work}/big", "wb") as file:
        file.write(os.urandom(3 << 20))
    message = failed(box, "cp", f"{work}/big", "full:/small/big")
    assert message == f"copying {work}/big to full:/small/big: no space left on device"
    assert box.run("exec", "full", "sh", "-c", "ls -A /small; cat /small/big").out == "big\na"


def test_permissions_and_read_only_places(box: Pod, busybox: str, work: str) -> None:
    box.run("run", "--detach", "--name", "ro", "--volume", f"{work}/out:/out:ro", busybox, "sleep", "600")
    assert failed(box, "cp", f"{work}/a", "ro:/out/a") == f"copying {work}/a to ro:/out/a: read-only file system"
    assert os.listdir(f"{work}/out") == []
    box.run("cp", f"{work}/d", "ro:/tmp")
    if box.rootless:
        assert failed(box, "cp", "ro:/tmp/d", "/etc/").endswith(" to /etc/: permission denied")
        assert failed(box, "cp", "/etc/shadow", "ro:/tmp").endswith(" to ro:/tmp: permission denied")
    box.run("exec", "ro", "chmod", "0", "/tmp/d/sub/b")
    box.run("cp", "ro:/tmp/d", f"{work}/out")
    assert os.stat(f"{work}/out/d/sub/b").st_mode & 0o777 == 0
