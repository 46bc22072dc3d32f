"""A container's files as seen from outside: diff, export, and what a hostile container does against it."""

from __future__ import annotations

import io
import json
import os
import tarfile

from tests.fixtures.command import Pod

CHANGE = """
mkdir -p /data/inner; echo 12345 >/data/inner/file; ln /data/inner/file /data/hard; ln -s inner /data/link
rm /bin/vi; rm -rf /etc/gone; echo more >>/etc/passwd; chmod 700 /home 2>/dev/null; mkfifo /data/fifo; exit 0
"""


def changed(box: Pod, image: str, *options: str) -> None:
    box.run("run", "--name", "one", *options, image, "sh", "-c", CHANGE)


def exported(box: Pod, name: str) -> dict[str, tarfile.TarInfo]:
    path = os.path.join(box.home, "out.tar")
    box.run("export", "--output", path, name)
    with tarfile.open(path) as archive:
        return {member.name.rstrip("/"): member for member in archive}


def test_diff(box: Pod, busybox: str) -> None:
    changed(box, busybox)
    lines = box.run("diff", "one").stdout.splitlines()
    assert {"C /bin", "D /bin/vi", "A /data", "A /data/inner", "A /data/inner/file", "A /data/link"} <= set(lines)
    assert not any(path in line for line in lines for path in ("/etc/hosts", "/proc", "/dev/pts", "/run/.containerenv"))
    assert box.run("container", "diff", "--latest").stdout.splitlines() == lines
    assert box.run("diff", "-l").stdout.splitlines() == lines
    told = json.loads(box.run("diff", "--format", "json", "one").out)
    assert "/bin/vi" in told["deleted"]
    assert "/data/inner/file" in told["added"]


def test_diff_of_a_running_container(box: Pod, busybox: str) -> None:
    box.run("run", "--detach", "--name", "one", busybox, "sh", "-c", "touch /new; sleep 600")
    box.run("exec", "one", "sh", "-c", "rm /bin/vi && mkdir /bin/vi")
    lines = box.run("diff", "one").stdout.splitlines()
    assert "A /new" in lines
    assert "C /bin/vi" in lines


def test_diff_of_a_directory_made_anew(box: Pod, busybox: str) -> None:
    box.run(
        "run",
        "--name",
        "one",
        busybox,
        "sh",
        "-c",
        "cp /bin/busybox /; /busybox rm -r /bin; /busybox mkdir /bin; /busybox touch /bin/x",
    )
    lines = box.run("diff", "one").stdout.splitlines()
    assert {"A /bin/x", "D /bin/sh", "D /bin/busybox"} <= set(lines)


def test_image_diff(box: Pod, busybox: str) -> None:
    assert "A /bin/busybox" in box.run("image", "diff", busybox).stdout.splitlines()
    assert box.run("image", "diff", busybox, busybox).out == ""
    assert "/bin/busybox" in json.loads(box.run("image", "diff", "--format", "json", busybox).out)["added"]
    failed = box.run("image", "diff", "none", check=False)
    assert failed.code == 125


def test_diff_says_what_is_wrong(box: Pod, busybox: str) -> None:
    assert box.run("diff", "none", check=False).stderr.startswith("Error: none not found: layer not known\n")
    failed = box.run("diff", "--format", "yaml", "none", check=False)
    assert (failed.code, failed.stderr) == (125, "Error: only supported value for '--format' is 'json'\n")
    assert box.run("diff", "--latest", "one", check=False).code == 125
    assert box.run("container", "diff", check=False).code == 125


def test_export(box: Pod, busybox: str) -> None:
    changed(box, busybox, "--volume", "data:/volume")
    members = exported(box, "one")
    assert members["data/hard"].size == 6
    assert {members["data/hard"].type, members["data/inner/file"].type} == {
        tarfile.LNKTYPE,
        tarfile.REGTYPE,
    }  # one file
    assert members["data/link"].linkname == "inner"
    assert members["data/fifo"].isfifo()
    assert "bin/vi" not in members
    assert "bin/busybox" in members
    assert (members["bin/busybox"].uid, members["bin/busybox"].gid) == (0, 0)
    assert not any(".wh." in name for name in members)
    box.run("start", "one")
    result = box.run("export", "one", "-o", os.path.join(box.home, "again.tar"))
    assert result.stdout == ""


def test_export_of_a_running_container_has_no_mounts(box: Pod, busybox: str) -> None:
    box.run("run", "--detach", "--name", "one", "--volume", "data:/volume", "--tmpfs", "/memory", busybox, "sh", "-c",
            "touch /volume/a /memory/b /own; sleep 600")  # fmt: skip
    for _ in range(50):
        if box.run("exec", "one", "ls", "/own", check=False).code == 0:
            break
    members = exported(box, "one")
    assert "own" in members
    assert "volume" in members
    assert not {"volume/a", "memory/b", "proc/1", "etc/hosts/x"} & set(members)


def test_export_to_stdout(box: Pod, busybox: str) -> None:
    box.run("create", "--name", "one", busybox, "true")
    process = box.start("export", "one")
    data, _ = process.communicate()
    assert process.returncode == 0
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert "bin/busybox" in archive.getnames()
    terminal = box.spawn("export", "one")
    terminal.expect("refusing to export to terminal. Use -o flag or redirect")
    terminal.wait()
    assert terminal.exitstatus == 125
    terminal.close()
    failed = box.run("export", "-o", "a:b", "one", check=False)
    assert (failed.code, failed.stderr) == (125, 'Error: invalid filename (should not contain ":") "a:b"\n')
    assert box.run("export", "none", check=False).code == 125


def test_owners_in_a_user_namespace(box: Pod, busybox: str) -> None:
    maps = ("--uidmap", "0:1:1000", "--gidmap", "0:1:1000")
    box.run("run", "--name", "one", *maps, busybox, "sh", "-c", "touch /own; chown 7:8 /own")
    members = exported(box, "one")
    assert (members["own"].uid, members["own"].gid) == (7, 8)
    assert (members["bin/busybox"].uid, members["bin/busybox"].gid) == (0, 0)
    assert "A /own" in box.run("diff", "one").stdout.splitlines()


def test_export_while_a_container_swaps_names(box: Pod, busybox: str) -> None:
    """CVE-2018-15664: what is a directory now is a link to the host's /etc in a moment."""
    secret = os.path.join(box.directory, "secret")
    box.execute(["sh", "-c", f"mkdir {secret}; echo the-host >{secret}/file"])
    swap = f"mkdir -p /a/file; ln -s {secret} /b; while :; do mv /a /c; mv /b /a; mv /a /b; mv /c /a; done"
    box.run("run", "--detach", "--name", "one", busybox, "sh", "-c", swap)
    for _ in range(5):
        process = box.start("export", "one")
        data, _ = process.communicate()
        assert process.returncode == 0
        assert b"the-host" not in data
