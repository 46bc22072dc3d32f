"""Hostile volumes: trees that are to be given away, paths below volumes that lead out; and commands that are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.fixtures import images
from tests.fixtures.command import Pod

ROUNDS = int(os.environ.get("POD_TEST_KILLS", "3"))


@pytest.fixture
def victim(box: Pod) -> str:
    """A directory of the host, and a file in it, that no container was given."""
    path = os.path.join(box.home, "victim")
    os.mkdir(path)
    with open(f"{path}/file", "w") as file:
        file.write("the host's")
    for name in (path, f"{path}/file"):
        os.chown(name, box.user.uid, box.user.gid)
        os.chmod(name, 0o755)
    return path


def owners(path: str) -> set[tuple[int, int]]:
    """Return who owns a directory and its file."""
    return {(os.stat(name).st_uid, os.stat(name).st_gid) for name in (path, f"{path}/file")}


def test_giving_a_tree_away_follows_no_link(box: Pod, busybox: str, victim: str) -> None:
    before = owners(victim)
    script = (
        f"cd /x; ln -s {victim} a; ln -s {victim}/file b; ln -s ../../../../../.. c; mkdir d; ln -s / d/e; mkfifo f"
    )
    box.run("run", "--rm", "-v", "v:/x", busybox, "sh", "-c", script)
    shown = box.run("run", "--rm", "-v", "v:/x:U", "--user", "12:34", busybox, "stat", "-c", "%u", "/x/f", "/x/d").out
    assert set(shown.split()) == {"12"}
    assert owners(victim) == before
    assert os.stat("/").st_uid == 0


def test_giving_away_a_deep_tree(box: Pod, busybox: str) -> None:
    script = "cd /x; i=0; while [ $i -lt 1500 ]; do mkdir d && cd d || exit 1; i=$((i+1)); done; touch end"
    box.run("run", "--rm", "-v", "v:/x", busybox, "sh", "-c", script)
    box.run("run", "--rm", "-v", "v:/x:U", "--user", "12", busybox, "true")
    box.run("volume", "export", "-o", os.path.join(box.home, "deep.tar"), "v")
    box.run("volume", "rm", "v")


def test_giving_away_while_directories_become_links(box: Pod, busybox: str, victim: str) -> None:
    before = owners(victim)
    box.run(
        "run", "--rm", "-v", "v:/x", busybox, "sh", "-c", "cd /x; mkdir a; for i in $(seq 200); do mkdir a/$i; done"
    )
    swap = f"cd /x; while :; do mv a b; ln -s {victim} a; rm a; mv b a; done"
    box.run("run", "-d", "--name", "racer", "-v", "v:/x", busybox, "sh", "-c", swap)
    for user in ("12", "13", "14"):
        box.run("run", "--rm", "-v", "v:/y:U", "--user", user, busybox, "true", check=False)
    box.run("rm", "-f", "-t", "0", "racer")
    assert owners(victim) == before


def test_a_subpath_does_not_lead_out(box: Pod, busybox: str, victim: str) -> None:
    script = (
        f"cd /x; ln -s {victim} abs; ln -s ../../../../../../../..{victim} rel; ln -s /proc/self/root magic; mkdir in"
    )
    box.run("run", "--rm", "-v", "v:/x", busybox, "sh", "-c", script)
    for path in ("abs", "rel", "abs/file", "magic", "../../../..", f"../../../../..{victim}", "in/../../../.."):
        mount = f"type=volume,src=v,dst=/y,subpath={path}"
        result = box.run("run", "--rm", "--mount", mount, busybox, "ls", "-a", "/y", check=False)
        assert "file" not in result.stdout.split(), path
        assert "etc" not in result.stdout.split(), path
        assert "Traceback" not in result.stderr


def test_a_subpath_does_not_lead_out_by_a_race(box: Pod, busybox: str, victim: str) -> None:
    box.run("run", "--rm", "-v", "v:/x", busybox, "mkdir", "-p", "/x/a/in")
    swap = f"cd /x; while :; do mv a b; ln -s {victim} a; rm a; mv b a; done"
    box.run("run", "-d", "--name", "racer", "-v", "v:/x", busybox, "sh", "-c", swap)
    for _ in range(ROUNDS):
        mount = "type=volume,src=v,dst=/y,subpath=a"
        result = box.run("run", "--rm", "--mount", mount, busybox, "ls", "/y", check=False)
        assert "file" not in result.stdout.split()
    box.run("rm", "-f", "-t", "0", "racer")


def test_an_overlay_does_not_change_what_lies_below(box: Pod, busybox: str, victim: str) -> None:
    script = "echo changed > /x/file; rm -rf /x/file; mkdir /x/file; chmod 777 /x; ln -s /etc /x/more"
    box.run("run", "--rm", "-v", f"{victim}:/x:O", busybox, "sh", "-c", script)
    assert os.listdir(victim) == ["file"]
    with open(f"{victim}/file") as file:
        assert file.read() == "the host's"
    assert os.stat(victim).st_mode & 0o777 == 0o755


def test_removal_never_enters_what_is_mounted(box: Pod, busybox: str, victim: str) -> None:
    """Cleaning up runs in the monitor's mount namespace, where volumes and paths below them are bind mounts."""
    box.run("volume", "create", "-o", "type=none", "-o", "o=bind", "-o", f"device={victim}", "b")
    box.run("run", "--rm", "-v", "v:/x", busybox, "sh", "-c", "mkdir /x/a; echo kept > /x/a/file")
    flags = ("-v", "b:/b", "--mount", "type=volume,src=v,dst=/s,subpath=a", "-v", f"{victim}:/o:O")
    # With nobody attached it is the monitor that removes the container.
    box.run("run", "-d", "--rm", "--name", "c", *flags, busybox, "sleep", "0.2")
    deadline = time.monotonic() + 60
    while box.run("ps", "-aq").out and time.monotonic() < deadline:
        time.sleep(0.05)
    assert box.run("ps", "-aq").out == ""
    box.run("run", "-d", "--rm", "--name", "c", *flags, busybox, "sleep", "100")
    box.run("volume", "rm", "-f", "-t", "0", "b")
    assert os.listdir(victim) == ["file"]
    assert box.run("run", "--rm", "-v", "v:/x", busybox, "cat", "/x/a/file").out == "kept"


def strike(box: Pod, *arguments: str, seconds: float, input: bytes = b"") -> None:
    """Start a command and kill it after a time."""
    process = box.start(*arguments, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert process.stdin is not None
    try:
        process.stdin.write(input)
        process.stdin.close()
    except BrokenPipeError:
        pass
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()


def moments(longest: float) -> Iterator[float]:
    """Return moments that are spread over the time that a command takes."""
    return iter(longest * (number + 1) / ROUNDS for number in range(ROUNDS))


def test_killed_creations(box: Pod) -> None:
    for number, seconds in enumerate(moments(0.25)):
        strike(box, "volume", "create", f"v{number}", seconds=seconds)
        strike(box, "secret", "create", f"s{number}", "-", seconds=seconds, input=b"data")
        strike(box, "volume", "rm", f"v{number}", seconds=seconds)
        strike(box, "secret", "rm", f"s{number}", seconds=seconds)
    box.run("volume", "create", "last")
    box.run("secret", "create", "last", "-", input="data")
    listed = set(box.run("volume", "ls", "-q").out.split())
    assert set(os.listdir(f"{box.root}/volumes")) == listed
    known = set(box.run("secret", "ls", "-q").out.split())
    assert set(os.listdir(f"{box.root}/secrets")) == known
    for secret in known:
        assert box.run("secret", "inspect", "--showsecret", "-f", "{{.SecretData}}", secret).out == "data"
    # What a crash left of a secret goes with the next one that is removed.
    with open(f"{box.root}/secrets/orphan", "w"):
        pass
    box.run("volume", "rm", "--all")
    box.run("secret", "rm", "--all")
    assert os.listdir(f"{box.root}/secrets") == []


def test_killed_imports(box: Pod) -> None:
    data = images.tar(*(images.entry(f"d/{number}", os.urandom(2000)) for number in range(1000)))
    box.run("volume", "create", "v")
    for seconds in moments(0.4):
        strike(box, "volume", "import", "v", "-", seconds=seconds, input=data)
    box.run("volume", "import", "v", "-", input=data)
    assert len(os.listdir(f"{box.root}/volumes/v/_data/d")) == 1000
    deadline = time.monotonic() + 60
    while os.listdir(f"{box.root}/staging") and time.monotonic() < deadline:
        box.run("volume", "create")
    assert os.listdir(f"{box.root}/staging") == []


def test_a_full_disk(box: Pod, busybox: str) -> None:
    """A tar that does not fit changes nothing in the volume, and says why."""
    box.run("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=64k", "small")
    box.run("run", "-d", "--name", "c", "-v", "small:/x", busybox, "sleep", "100")
    data = images.tar(images.entry("big", bytes(1 << 20)))
    result = box.run("volume", "import", "small", "-", input=data, check=False)
    assert result.code == 125
    assert "no space left" in result.stderr
    assert "Traceback" not in result.stderr
    box.run("rm", "-f", "-t", "0", "c")
