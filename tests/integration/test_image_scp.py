"""`image scp`: from a store to another user's, and to other machines by an `ssh` that executes commands here."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fixtures import leaks
from tests.fixtures.command import Pod, clean_environment
from tests.fixtures.user import User

# Writes down what it was called with, and executes the command with a store of its own in place of another machine's.
SSH = """#!/bin/sh
printf '%s\\n' "$@" >>"$HOME/ssh.called"
while [ "$1" != -- ]; do shift; done
[ "$2" != unreachable ] || { echo "ssh: connect to host unreachable port 22: No route to host" >&2; exit 255; }
[ "$2" != slow ] || sleep 2
cd / && PATH="$HOME/far/bin:/usr/bin:/bin" exec sh -c "$3"
"""
FAR = """#!/bin/sh
exec {command} --root {far}/root --runroot {far}/runroot "$@"
"""


@pytest.fixture
def far(box: Pod) -> Pod:
    """`box` with an `ssh` in PATH; and the store of the machine that it leads to."""
    place = Path(box.home, "far")
    for directory in (place, place / "bin", Path(box.home, "bin")):
        directory.mkdir()
        os.chown(directory, box.user.uid, box.user.gid)
    for path, text in ((Path(box.home, "bin/ssh"), SSH), (place / "bin/pod", FAR)):
        path.write_text(text.replace("{command}", box.command).replace("{far}", str(place)))
        path.chmod(0o755)
    box.environment["PATH"] = f"{box.home}/bin:{box.environment['PATH']}"
    return replace(box, options=["--root", f"{place}/root", "--runroot", f"{place}/runroot"])


def called(pod: Pod) -> list[str]:
    path = Path(pod.home, "ssh.called")
    lines = path.read_text().splitlines()
    path.unlink()
    return lines


def test_to_another_machine_and_back(box: Pod, far: Pod, busybox: str) -> None:
    told = box.run("image", "scp", busybox, "alice@example.com:2222::")
    assert told.out == f"Loaded image: {busybox}"
    assert "Copying config sha256:" in told.stderr
    assert called(box) == ["-p", "2222", "--", "alice@example.com", "pod load"]
    image = box.run("images", "--quiet", "--no-trunc").out
    assert far.run("images", "--quiet", "--no-trunc").out == image
    box.run("rmi", busybox)
    quiet = box.run("image", "scp", "--quiet", f"example.com::{busybox}")
    assert (quiet.out, quiet.stderr) == (f"Loaded image: {busybox}", "")
    assert called(box) == ["--", "example.com", f"pod save --quiet -- {busybox}"]
    assert box.run("images", "--quiet", "--no-trunc").out == image
    assert box.run("run", "--rm", busybox, "echo", "ran").out == "ran"


def test_from_a_machine_to_another(box: Pod, far: Pod, busybox: str) -> None:
    box.run("image", "scp", "-q", busybox, "ssh://one::")
    called(box)
    assert box.run("image", "scp", "-q", f"one::{busybox}", "[fe80::1]:22::").out == f"Loaded image: {busybox}"
    assert sorted(called(box)) == sorted(
        ["--", "one", f"pod save --quiet -- {busybox}", "-p", "22", "--", "fe80::1", "pod load --quiet"]
    )


def test_what_fails_leaves_nothing(box: Pod, far: Pod, busybox: str) -> None:
    refused = box.run("image", "scp", "no;touch pwned", "one::", check=False)
    assert (refused.code, refused.out) == (125, "")
    assert refused.stderr == (
        'Error: save at the store of this user: parsing reference "no;touch pwned": invalid reference format\n'
    )
    refused = box.run("image", "scp", "one::no;touch pwned", check=False)
    assert refused.code == 125
    assert 'save at one: parsing reference "no;touch pwned": invalid reference format' in refused.stderr
    assert not list(Path(box.home).rglob("pwned"))
    refused = box.run("image", "scp", f"unreachable::{busybox}", check=False)
    assert refused.stderr == (
        "Error: save at unreachable: ssh: connect to host unreachable port 22: No route to host\n"
        "hint: see that this works: ssh unreachable\n"
    )
    refused = box.run("image", "scp", busybox, "unreachable::", check=False)
    assert refused.code == 125
    assert refused.stderr.splitlines()[-2:] == [
        "Error: load at unreachable: exit status 255",
        "hint: see that this works: ssh unreachable",
    ]
    Path(box.home, "far/bin/pod").unlink()
    refused = box.run("image", "scp", busybox, "one::", check=False)
    assert refused.stderr.splitlines()[-1] == "hint: pod must be in the PATH that one gives to commands of ssh"
    refused = box.run("image", "scp", busybox, "one::", check=False, env={"PATH": "/nowhere"})
    assert "execute ssh: no such file or directory\nhint: install an OpenSSH client" in refused.stderr
    assert box.run("system", "check").code == 0


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_ended_in_the_middle_it_goes_again(box: Pod, far: Pod, busybox: str, end: signal.Signals) -> None:
    process = box.start("image", "scp", busybox, "slow::")
    called_at = Path(box.home, "ssh.called")
    deadline = time.monotonic() + 60
    while not called_at.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(end)
    process.communicate()
    assert process.returncode != 0
    # What is still on its way, ends by itself.
    while any(one.mentions(box.directory) for one in leaks.processes()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    far.run("images")
    for store in (box, far):
        assert store.run("system", "check").code == 0
    assert box.run("image", "scp", "-q", busybox, "one::").out == f"Loaded image: {busybox}"
    assert far.run("image", "exists", busybox).code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["box"], "no destination is named"),
        (["box", "one::name"], "the image keeps its name"),
        (["one::"], "no image is named"),
        (["one::box", "one::"], "the same store"),
        (["box", "localhost::"], "the same store"),
        (["box", "-oProxyCommand=x::"], "not a machine"),
        (["box", "a@-l::"], "not a machine"),
        (["box", "one:port::"], "not a machine"),
        (["box", "one:22/run/podman/podman.sock::"], "has no socket at another machine"),
        (["box", "nobodyatall@localhost::"], "unknown user nobodyatall"),
    ],
)
def test_what_is_refused(pod: Pod, words: list[str], message: str) -> None:
    refused = pod.run("image", "scp", *(["--"] if "-o" in words[-1] else []), *words, check=False)
    assert refused.code == 125
    assert message in refused.stderr


@pytest.fixture
def other(box: Pod, ordinary_user: User) -> Iterator[Pod]:
    """The command of another user, with the store that is his by default."""
    made = replace(
        box, user=ordinary_user, options=[], environment=clean_environment(ordinary_user, ordinary_user.home)
    )
    yield made
    made.run("system", "reset", "--force")


def test_to_another_user_and_back(box: Pod, busybox: str, ordinary_user: User, request: pytest.FixtureRequest) -> None:
    name = ordinary_user.name
    if box.rootless:
        refused = box.run("image", "scp", busybox, "root@localhost::", check=False)
        assert refused.stderr == (
            "Error: root@localhost: only root may use another user's store\nhint: call it with sudo\n"
        )
        return
    other: Pod = request.getfixturevalue("other")
    assert (
        box.run("image", "scp", f"root@localhost::{busybox}", f"{name}@localhost::").out == f"Loaded image: {busybox}"
    )
    assert other.run("run", "--rm", "--network=none", busybox, "echo", "his").out == "his"
    box.run("rmi", busybox)
    assert box.run("image", "scp", "-q", f"{name}@localhost::{busybox}").out == f"Loaded image: {busybox}"
    other.run("rmi", busybox)
    # As sudo(8) says who called it.
    told = box.run("image", "scp", "-q", f"root@localhost::{busybox}", env={"SUDO_USER": name})
    assert told.out == f"Loaded image: {busybox}"
    assert other.run("image", "exists", busybox).code == 0
    refused = box.run("image", "scp", f"{name}@localhost::no", check=False)
    assert refused.stderr == f"Error: save at {name}@localhost: no: image not known\n"
