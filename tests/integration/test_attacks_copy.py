"""Attacks on `cp`: containers that are hostile while it runs, archives, and kills at any moment."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import tarfile
import time

from tests.fixtures.command import Pod

ROUNDS = int(os.environ.get("POD_TEST_ROUNDS", "12"))
# Swaps a directory for a link to the host's root, as fast as it can (CVE-2018-15664, CVE-2019-14271).
_SWAP = (
    "mkdir -p /t/real /t/x; echo mine >/t/real/secret;"
    "while :; do mv -T /t/real /t/at; ln -s {target} /t/real; rm /t/real; mv -T /t/at /t/real; done"
)


def secret(pod: Pod) -> str:
    """Make a directory of the host with a file that no container may get, or change."""
    path = os.path.join(pod.home, "secret-place")
    pod.execute(["sh", "-c", f"mkdir {path}; echo of-the-host >{path}/secret"])
    return path


def untouched(path: str) -> bool:
    with open(f"{path}/secret", encoding="ascii") as file:
        return os.listdir(path) == ["secret"] and file.read() == "of-the-host\n"


def test_a_container_that_swaps_directories(box: Pod, busybox: str) -> None:
    path = secret(box)
    box.run("run", "--detach", "--name", "c", busybox, "sh", "-c", _SWAP.format(target=path))
    payload = os.path.join(box.home, "payload")
    box.execute(["sh", "-c", f"mkdir {payload}; echo evil >{payload}/secret; echo evil >{payload}/new"])
    time.sleep(0.3)
    for number in range(ROUNDS):
        box.run("cp", "c:/t/real/secret", f"{box.home}/got{number}", check=False)
        box.run("cp", "c:/t", f"{box.home}/tree{number}", check=False)
        box.run("cp", f"{payload}/.", "c:/t/real", check=False)
        box.run("cp", f"{payload}/new", "c:/t/real/", check=False)
        stolen = subprocess.run(
            ["grep", "-rl", "of-the-host", box.home, "--exclude-dir", "secret-place"], capture_output=True, check=False
        )
        assert stolen.stdout == b""
        assert untouched(path)
    box.run("rm", "-f", "-t", "0", "c")


def test_links_in_what_is_copied_lead_nowhere(box: Pod, busybox: str) -> None:
    """A link on the host's side is replaced, one in the container is resolved there."""
    path = secret(box)
    script = f"mkdir -p /d /e; ln -s {path} /d/in; ln -s {path}/secret /d/secret; echo evil >/d/own; ln -s {path} /e/x"
    box.run("run", "--name", "c", busybox, "sh", "-c", script)
    assert box.run("cp", "c:/d/secret", f"{box.home}/got", check=False).code == 125
    out = f"{box.home}/out"
    box.execute(["sh", "-c", f"mkdir -p {out}/d; ln -s {path}/secret {out}/d/own"])
    box.run("cp", "c:/d", out)
    assert os.readlink(f"{out}/d/in") == path
    with open(f"{out}/d/own", encoding="ascii") as file:
        assert file.read() == "evil\n"
    assert untouched(path)
    box.run("cp", f"{out}/d/own", "c:/e/x/secret", check=False)
    assert untouched(path)


def test_a_tar_that_leaves_the_directory(box: Pod, busybox: str) -> None:
    path = secret(box)
    box.run("create", "--name", "c", busybox, "true")
    for name, link in ((f"../../../..{path}/evil", ""), ("in/evil", path), ("in/secret", path)):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            if link:
                entry = tarfile.TarInfo("in")
                entry.type, entry.linkname = tarfile.SYMTYPE, link
                archive.addfile(entry)
            entry = tarfile.TarInfo(name)
            entry.size = 4
            archive.addfile(entry, io.BytesIO(b"evil"))
        box.run("cp", "-", "c:/tmp", input=stream.getvalue(), check=False)
        assert untouched(path)


def test_rights_do_not_come_out(box: Pod, busybox: str) -> None:
    """A set-user-ID program of the container's is none of the host's, and a device is left where it is."""
    box.run(
        "run",
        "--name",
        "c",
        busybox,
        "sh",
        "-c",
        "mkdir /d; cp /bin/busybox /d/evil; cd /d; chown 5:5 evil; chmod 6755 evil",
    )
    box.run("cp", "c:/d", f"{box.home}/d")
    found = os.stat(f"{box.home}/d/evil")
    assert (found.st_uid, found.st_mode & 0o7777) == (box.user.uid, 0o755)
    box.run("run", "--name", "r", busybox, "sleep", "0")
    box.run("cp", "c:/dev", f"{box.home}/dev")
    assert not any(os.path.exists(f"{box.home}/dev/{name}") for name in ("null", "sda", "vda"))


def test_killed_copies_leave_nothing(box: Pod, busybox: str) -> None:
    """What was to be replaced is the old or the new one; nothing lies beside it, and nothing is mounted."""
    box.run("create", "--name", "c", busybox, "sleep", "600")
    big = f"{box.home}/big"
    box.execute(["sh", "-c", f"head -c 60000000 /dev/zero | tr '\\0' n >{big}; echo old >{box.home}/old"])
    box.run("cp", f"{box.home}/old", "c:/tmp/file")
    for delay in (0.02, 0.08, 0.12, 0.16, 0.2, 0.3):
        process = box.start("cp", big, "c:/tmp/file")
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        box.run("cp", "c:/tmp", f"{box.home}/out{delay}")
        assert os.listdir(f"{box.home}/out{delay}") == ["file"]
        assert os.stat(f"{box.home}/out{delay}/file").st_size in (4, 60_000_000)
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        assert box.root not in file.read().replace(f" {box.root} ", "")
