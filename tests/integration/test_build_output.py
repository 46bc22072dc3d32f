"""The files of an image in a directory or a tar of the user's: `build --output`."""

from __future__ import annotations

import io
import os
import signal
import stat
import subprocess
import tarfile

import pytest

from tests.fixtures.command import Pod
from tests.integration.test_build import build, context, inspect

TEXT = """\
FROM {base} AS made
RUN mkdir -p /out/d /out/empty && echo one > /out/d/file && ln /out/d/file /out/d/link && ln -s /etc/passwd /out/l \
 && chown 5:6 /out/d/file && echo x > /out/program && chmod 4711 /out/program && mkfifo /out/pipe && chmod 750 /out/d
FROM scratch
COPY --from=made /out /
"""


def test_a_directory(box: Pod, busybox: str) -> None:
    """A new one appears with all that the image holds; the image is in the store as ever."""
    made = build(box, TEXT.format(base=busybox), "-t", "made", "-o", f"{box.home}/some/new")
    assert inspect(box, "made")["Id"] == made.stdout.splitlines()[-1]
    new = f"{box.home}/some/new"
    assert sorted(os.listdir(new)) == ["d", "empty", "l", "pipe", "program"]
    assert stat.S_IMODE(os.stat(new).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(f"{new}/d").st_mode) == 0o750
    assert os.readlink(f"{new}/l") == "/etc/passwd"
    file = os.stat(f"{new}/d/file")
    assert file.st_ino == os.stat(f"{new}/d/link").st_ino
    assert stat.S_ISFIFO(os.stat(f"{new}/pipe").st_mode)
    if box.rootless:
        assert (file.st_uid, file.st_gid) == (box.user.uid, box.user.gid)
        assert stat.S_IMODE(os.stat(f"{new}/program").st_mode) == 0o711
    else:
        assert (file.st_uid, file.st_gid) == (5, 6)
        assert stat.S_IMODE(os.stat(f"{new}/program").st_mode) == 0o4711
    assert os.listdir(f"{box.home}/some") == ["new"]


def test_a_directory_that_is_there(box: Pod, busybox: str) -> None:
    """Files come beside those that are there; links there lead nowhere else."""
    there, outside = f"{box.home}/there", f"{box.home}/outside"
    for path in (there, outside):
        os.mkdir(path)
        os.chown(path, box.user.uid, box.user.gid)
    for path, text in ((f"{there}/other", "other"), (f"{outside}/file", "kept"), (f"{there}/program", "old")):
        with open(path, "w") as file:
            file.write(text)
        os.chown(path, box.user.uid, box.user.gid)
    os.symlink(outside, f"{there}/d")
    build(box, TEXT.format(base=busybox), "--output", f"type=local,dest={there}")
    assert sorted(os.listdir(there)) == ["d", "empty", "l", "other", "pipe", "program"]
    assert not os.path.islink(f"{there}/d")
    with open(f"{outside}/file") as file:
        assert file.read() == "kept"
    with open(f"{there}/program") as file:
        assert file.read() == "x\n"


def test_tars(box: Pod, busybox: str) -> None:
    path = f"{box.home}/made.tar"
    text = TEXT.format(base=busybox)
    flags = ("--timestamp", "77", "-o", f"type=tar,dest={path}", "-o", "-")
    made = box.start("build", "--network", "none", *flags, context(box, text))
    out, error = made.communicate(timeout=60)
    assert made.returncode == 0, error
    with open(path, "rb") as file:
        assert file.read() == out
    with tarfile.open(fileobj=io.BytesIO(out)) as archive:
        entries = {entry.name: entry for entry in archive.getmembers()}
    assert sorted(entries) == ["d", "d/file", "d/link", "empty", "l", "pipe", "program"]
    assert {entry.mtime for entry in entries.values()} == {77}
    assert (entries["d/file"].uid, entries["d/file"].gid) == (5, 6)
    assert entries["program"].mode == (0o711 if box.rootless else 0o4711)
    assert entries["d/link"].linkname == "d/file"


def test_an_oci_archive(box: Pod, busybox: str) -> None:
    """It has the image that is in the store, under its name; a list of platforms has no room in it."""
    path = f"{box.home}/image.tar"
    text = TEXT.format(base=busybox)
    made = box.start(
        "build", "-q", "--network", "none", "-t", "made", "-o", f"type=oci,dest={path}", context(box, text)
    )
    out, error = made.communicate(timeout=60)
    assert made.returncode == 0, error
    identity = out.decode().strip()
    box.run("rmi", "made")
    loaded = box.run("load", "-i", path).stdout
    assert "localhost/made:latest" in loaded
    assert inspect(box, "made")["Id"] == identity
    piped = box.start("build", "--network", "none", "-o", "type=oci,dest=-", context(box, text))
    archive, error = piped.communicate(timeout=60)
    assert piped.returncode == 0, error
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        assert {"oci-layout", "index.json"} <= set(opened.getnames())
    several = ("--platform", "linux/amd64,linux/arm64", "-o", f"type=oci,dest={box.home}/x")
    failed = build(box, "FROM scratch\nCOPY file /\n", *several, files={"file": ""}, check=False)
    assert failed.stderr.startswith("Error: the archive has room for the image of one platform")
    assert not os.path.exists(f"{box.home}/x")


def test_times(box: Pod, busybox: str) -> None:
    new = f"{box.home}/new"
    build(box, TEXT.format(base=busybox), "--source-date-epoch", "99", "-o", new)
    found = {os.lstat(f"{new}/{name}").st_mtime for name in ("d", "d/file", "l", "pipe", "empty")}
    assert found == {99.0}


def test_several_platforms(box: Pod, busybox: str) -> None:
    text = "FROM scratch\nCOPY file /\n"
    flags = ("--platform", "linux/amd64,linux/arm/v7", "-o")
    build(box, text, *flags, f"{box.home}/new", files={"file": ""})
    assert sorted(os.listdir(f"{box.home}/new")) == ["linux_amd64", "linux_arm_v7"]
    failed = build(box, text, *flags, f"type=tar,dest={box.home}/x", check=False)
    assert failed.stderr.startswith("Error: a tar has room for the files of one platform")


def test_what_fails_leaves_nothing(box: Pod, busybox: str) -> None:
    text = TEXT.format(base=busybox)
    blocked = f"{box.home}/blocked"
    with open(blocked, "w"):
        pass
    failed = build(box, text, "-t", "made", "-o", f"{blocked}/below", check=False)
    assert failed.code == 125
    assert failed.stderr.startswith("Error: failed while creating the destination path")
    assert box.run("image", "exists", "made", check=False).code == 1
    failed = build(box, text, "-o", "type=zip,dest=x", check=False)
    assert failed.stderr.startswith('Error: invalid type "zip" selected for build output options')


def beside(box: Pod) -> list[str]:
    """Return what there is of an output `new` in the user's home, finished or not."""
    return [name for name in os.listdir(box.home) if "new" in name]


def test_a_signal_while_files_are_written(box: Pod, busybox: str) -> None:
    """Nothing is under the names that were said, nor beside them, and there is no image."""
    directory = context(box, f"FROM {busybox}\nCOPY large /\n")
    with open(f"{directory}/large", "wb") as file:
        file.truncate(1 << 30)
    box.run("build", "--network", "none", directory)
    # The directory has been written when the command waits for whoever reads the tar.
    flags = ("-o", f"{box.home}/new", "-o", "-", "-t", "made")
    for number in (signal.SIGTERM, signal.SIGKILL):
        command = box.start("build", "--network", "none", *flags, directory, stderr=subprocess.DEVNULL)
        assert command.stdout is not None
        assert command.stdout.read(1)
        assert len(beside(box)) == 1
        command.send_signal(number)
        command.stdout.close()
        assert command.wait(timeout=60) != 0
        assert box.run("image", "exists", "made", check=False).code == 1
        if number == signal.SIGKILL:
            box.run("build", "--network", "none", directory)  # removes what that one could not
        assert beside(box) == []


def test_a_signal_while_nobody_reads_a_fifo(box: Pod, busybox: str) -> None:
    path = f"{box.home}/fifo"
    os.mkfifo(path)
    os.chown(path, box.user.uid, box.user.gid)
    directory = context(box, f"FROM {busybox}\n")
    command = box.start("build", "--network", "none", "-o", f"type=tar,dest={path}", directory)
    assert command.stdout is not None
    assert command.stdout.readline().startswith(b"STEP 1/1")
    command.send_signal(signal.SIGTERM)
    command.communicate(timeout=60)
    assert command.returncode == 128 + signal.SIGTERM


def test_a_directory_that_is_full(box: Pod, busybox: str) -> None:
    """The message names the place; what could be taken back of other outputs is."""
    if box.rootless:
        pytest.skip("mounts a small file system")
    small = f"{box.home}/small"
    os.mkdir(small)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "none", small], check=True)
    try:
        failed = build(box, f"FROM {busybox}\n", "-o", f"{box.home}/new", "-o", f"{small}/x", check=False)
    finally:
        subprocess.run(["umount", small], check=True)
    assert failed.code == 125
    assert failed.stderr.startswith(f"Error: write files to {small}/x: no space left on device")
    assert beside(box) == []


def test_directories_that_are_there(box: Pod, busybox: str) -> None:
    os.makedirs(f"{box.home}/new/d", 0o777)
    for path in ("new", "new/d"):
        os.chown(f"{box.home}/{path}", box.user.uid, box.user.gid)
    build(box, TEXT.format(base=busybox), "--timestamp", "77", "-o", f"{box.home}/new", "-o", f"{box.home}/a/b/c")
    there = os.stat(f"{box.home}/new/d")
    assert (stat.S_IMODE(there.st_mode), there.st_mtime) == (0o750, 77)
    assert stat.S_IMODE(os.stat(f"{box.home}/a").st_mode) == 0o700
