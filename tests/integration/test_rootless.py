"""An ordinary user as `useradd -m` makes one: default directories, a bare `su -`, and no subordinate ids at all."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Iterator

import pytest

from tests.fixtures import leaks
from tests.fixtures.command import Pod, clean_environment
from tests.fixtures.user import User

SCRIPT = "id -u; cat /proc/self/uid_map | wc -l"


@pytest.fixture(params=["su", "login"])
def own(command: str, ordinary_user: User, request: pytest.FixtureRequest) -> Iterator[Pod]:
    """`pod` with the user's own directories: without XDG_RUNTIME_DIR as after `su -`, and with it as after a login."""
    if os.getuid() != 0:
        pytest.skip("would use the real home directory")
    pod = Pod(command, ordinary_user.home, ordinary_user, clean_environment(ordinary_user, ordinary_user.home))
    runtime = f"/run/user/{ordinary_user.uid}"
    if request.param == "login":
        os.makedirs(runtime, exist_ok=True)
        os.chmod(runtime, 0o700)
        os.chown(runtime, ordinary_user.uid, ordinary_user.gid)
        pod.environment["XDG_RUNTIME_DIR"] = runtime
    groups = leaks.control_groups()
    yield pod
    pod.run("rm", "--all", "--force", "--time", "0")
    places = [f"{ordinary_user.home}/.local/share/pod", f"/tmp/pod-run-{ordinary_user.uid}", f"{runtime}/pod"]
    found = leaks.wait_until_clean(
        lambda: [one for place in places for one in leaks.leftovers(place, groups)], timeout=30
    )
    for path in [*places, runtime]:
        shutil.rmtree(path, ignore_errors=True)
    assert not found


def test_default_directories(own: Pod, busybox: str) -> None:
    assert own.run("run", "--rm", "-q", busybox, "id", "-u").out == "0"
    store = json.loads(own.run("info", "--format", "json").stdout)["store"]
    assert store["graphRoot"] == f"{own.home}/.local/share/pod"
    runroot = store["runRoot"]
    assert runroot == own.environment.get("XDG_RUNTIME_DIR", f"/tmp/pod-run-{own.user.uid}") + (
        "/pod" if "XDG_RUNTIME_DIR" in own.environment else ""
    )
    assert stat.S_IMODE(os.stat(runroot).st_mode) == 0o700
    assert os.stat(runroot).st_uid == own.user.uid


def test_detached_container_outlives_the_command(own: Pod, busybox: str) -> None:
    own.run("run", "-q", "-d", "--name", "c", busybox, "sleep", "1000")
    assert own.run("exec", "c", "echo", "alive").out == "alive"
    own.run("stop", "-t", "0", "c")


@pytest.fixture
def rootless(box: Pod) -> Pod:
    if not box.rootless:
        pytest.skip("is about ordinary users")
    return box


def test_files_belong_to_subordinate_ids(rootless: Pod, busybox: str) -> None:
    path = os.path.join(rootless.home, "shared")
    os.mkdir(path)
    os.chown(path, rootless.user.uid, rootless.user.gid)
    rootless.run("run", "--rm", "-v", f"{path}:/d", busybox, "sh", "-c", "touch /d/root /d/guest; chown guest /d/guest")
    with open("/etc/subuid") as file:
        first = next(int(line.split(":")[1]) for line in file if line.startswith(f"{rootless.user.name}:"))
    assert os.stat(f"{path}/root").st_uid == rootless.user.uid
    assert os.stat(f"{path}/guest").st_uid == first + 1000 - 1


def test_keep_id(rootless: Pod, busybox: str) -> None:
    path = os.path.join(rootless.home, "shared")
    os.mkdir(path)
    os.chown(path, rootless.user.uid, rootless.user.gid)
    options = ["--userns", "keep-id", "-v", f"{path}:/d"]
    out = rootless.run(
        "run", "--rm", *options, busybox, "sh", "-c", "id -u; id -g; touch /d/own; stat -c %u /bin/sh"
    ).out
    assert out.split() == [str(rootless.user.uid), str(rootless.user.gid), "0"]
    assert os.stat(f"{path}/own").st_uid == rootless.user.uid


def test_userns_host(rootless: Pod, busybox: str) -> None:
    assert rootless.run("run", "--rm", "--userns", "host", busybox, "id", "-u").out == "0"


def test_unshare(rootless: Pod) -> None:
    assert rootless.run("unshare", "id", "-u").out == "0"
    assert len(rootless.run("unshare", "cat", "/proc/self/uid_map").out.splitlines()) == 2
    assert rootless.run("unshare", "sh", "-c", "exit 9", check=False).code == 9


def test_limits_that_nobody_delegates_are_not_silently_ignored(rootless: Pod, busybox: str) -> None:
    if not os.path.exists("/sys/fs/cgroup/memory"):
        pytest.skip("cgroup v2 may delegate")
    result = rootless.run("run", "--rm", "--memory", "64m", busybox, "true")
    assert result.stderr == "Resource limits are not supported and ignored on cgroups V1 rootless systems\n"


def test_the_host_is_out_of_reach(rootless: Pod, busybox: str) -> None:
    result = rootless.run(
        "run", "--rm", "--privileged", "-v", "/:/host", busybox, "cat", "/host/etc/shadow", check=False
    )
    assert result.code != 0
    assert (
        rootless.run("run", "--rm", "--privileged", busybox, "mknod", "/dev/x", "b", "254", "0", check=False).code != 0
    )


@pytest.fixture
def single(command: str, workplace: str, user_without_subordinate_ids: User) -> Iterator[Pod]:
    """`pod` of a user without subordinate ids."""
    user = user_without_subordinate_ids
    pod = Pod(command, user.home, user, clean_environment(user, user.home))
    yield pod
    pod.run("rm", "--all", "--force", "--time", "0")


def test_without_subordinate_ids(single: Pod, busybox: str) -> None:
    result = single.run("run", "--rm", "-q", busybox, "sh", "-c", SCRIPT)
    assert result.out.split() == ["0", "1"]
    assert single.run("run", "--rm", busybox, "sh", "-c", "touch /x && stat -c %u /x").out == "0"
    # Groups that the image gives root are not to be had, and not asked for.
    single.run("run", "--name", "more", busybox, "sh", "-c", "echo more:x:7:root >>/etc/group")
    single.run("commit", "-q", "more", "localhost/more")
    assert single.run("run", "--rm", "localhost/more", "id", "-g").out == "0"


def test_without_subordinate_ids_what_is_missing_is_said(single: Pod, busybox: str) -> None:
    single.run("pull", "-q", busybox)
    result = single.run("run", "--rm", "--user", "1000", busybox, "true", check=False)
    assert result.code == 126
    assert "/etc/subuid" in result.stderr or "usermod" in result.stderr
