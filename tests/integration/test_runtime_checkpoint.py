"""`pod-runtime checkpoint` and `restore` where they cannot do it; tests/system has them where they can."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from collections.abc import Iterator

import pytest

from tests.fixtures.bundle import Runtime, configuration
from tests.fixtures.user import User, current_user

_numbers = itertools.count()


@pytest.fixture
def runtime(workplace: str) -> Iterator[Runtime]:
    if os.getuid():
        pytest.skip("needs root")
    made = Runtime(f"{workplace}/checkpoint{next(_numbers)}", current_user())
    yield made
    for name in made.leftovers():
        made("delete", "--force", name)


def test_without_criu(runtime: Runtime) -> None:
    runtime.start("box", configuration("sleep", "1234"))
    for verb in ("checkpoint", "restore"):
        done = runtime("--criu", "/no/such/criu", verb, "--image-path", f"{runtime.directory}/images", "box")
        assert done.returncode == 1
        assert "needs criu, and `/no/such/criu` was not found" in done.stderr
        assert "hint: install Debian's package criu" in done.stderr
    assert not os.path.exists(f"{runtime.directory}/images")


def test_a_criu_that_cannot_leaves_the_container_alone(runtime: Runtime) -> None:
    """A criu that only fails, as Debian 12's does on newer kernels, without a word."""
    program = f"{runtime.directory}/criu"
    with open(program, "w") as file:
        file.write("#!/bin/sh\nexit 1\n")
    os.chmod(program, 0o755)
    pid = runtime.start("box", configuration("sleep", "1234"))
    words = ["--image-path", f"{runtime.directory}/images", "--work-path", f"{runtime.directory}/work"]
    done = runtime("--criu", program, "checkpoint", *words, "box")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 2)
    assert done.stderr.startswith("pod-runtime: criu could not checkpoint the container: ")
    state = json.loads(runtime("state", "box").stdout)
    assert (state["status"], state["pid"]) == ("running", pid)
    done = runtime("--criu", program, "restore", *words, "--detach", "again")
    assert (done.returncode, "criu could not restore the container" in done.stderr) == (1, True)
    assert runtime.leftovers() == ["box"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["checkpoint", "missing"], "does not exist"),
        (["checkpoint", "--empty-ns", "pid", "box"], "--empty-ns is network"),
        (["checkpoint", "--manage-cgroups-mode", "some", "box"], "--manage-cgroups-mode is ignore, none"),
        (["checkpoint", "--page-server", "host", "box"], "ADDRESS:PORT"),
        (["checkpoint", "--parent-path", "/pre", "box"], "not relative"),
        (["restore", "box"], "exists already"),
        (["restore", "--image-path", "/no/such/images", "new"], "/no/such/images"),
    ],
)
def test_what_is_refused(runtime: Runtime, words: list[str], message: str) -> None:
    runtime.start("box", configuration("sleep", "1234"))
    if "--image-path" not in words:
        words = [words[0], "--image-path", f"{runtime.directory}/images", *words[1:]]
        os.mkdir(f"{runtime.directory}/images")
    done = runtime("--criu", "/bin/true", *words)
    assert (done.returncode, message in done.stderr) == (1, True), done.stderr
    assert runtime.leftovers() == ["box"]


def test_only_what_runs_is_saved(runtime: Runtime) -> None:
    runtime.configure(configuration("sleep", "1234"))
    runtime("create", "box", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    done = runtime("--criu", "/bin/true", "checkpoint", "--image-path", f"{runtime.directory}/images", "box")
    assert (done.returncode, "container not running" in done.stderr) == (1, True)


def test_an_ordinary_user_is_told(workplace: str, ordinary_user: User) -> None:
    if current_user().uid:
        pytest.skip("needs root to become an ordinary user")
    runtime = Runtime(f"{workplace}/checkpoint{next(_numbers)}", ordinary_user)
    plain = ["setpriv", f"--reuid={ordinary_user.uid}", f"--regid={ordinary_user.gid}", "--clear-groups"]
    runtime.prefix = lambda: plain  # type: ignore[method-assign]
    runtime("spec", "--rootless")
    done = runtime("--criu", "/bin/true", "restore", "--image-path", runtime.directory, "--console-socket", "x", "box")
    assert (done.returncode, "needs the rights of root" in done.stderr) == (1, True), done.stderr


def test_standard_streams_of_the_host_are_the_containers(runtime: Runtime) -> None:
    """A /dev/null of the host's could not be saved."""
    pid = runtime.start("box", configuration("sleep", "1234"))
    own, inner = os.stat("/dev/null"), os.stat(f"/proc/{pid}/fd/0")
    assert inner.st_rdev == own.st_rdev
    assert inner.st_dev != own.st_dev
