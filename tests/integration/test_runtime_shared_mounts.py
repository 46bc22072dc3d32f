"""A container without a mount namespace of its own: its mounts are the host's, and `delete` takes them away."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fixtures import place
from tests.fixtures.bundle import Runtime, configuration
from tests.fixtures.user import current_user

pytestmark = pytest.mark.root


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    with place.make() as path:
        made = Runtime(os.path.join(path, "here"), current_user())
        yield made
        made("delete", "--force", "box")
        assert mounts(made) == []
        assert made.leftovers() == []


def mounts(runtime: Runtime) -> list[str]:
    with open("/proc/self/mountinfo") as file:
        return [line for line in file.read().splitlines() if runtime.rootfs in line]


def shared(*arguments: str) -> dict[str, Any]:
    spec = configuration(*arguments)
    spec["linux"]["namespaces"] = [kind for kind in spec["linux"]["namespaces"] if kind["type"] != "mount"]
    return spec


def test_the_mounts_are_seen_by_the_host_until_delete(runtime: Runtime) -> None:
    pid = runtime.start("box", shared("sleep", "600"))
    assert os.readlink(f"/proc/{pid}/ns/mnt") == os.readlink("/proc/self/ns/mnt")
    assert os.readlink(f"/proc/{pid}/root") == runtime.rootfs
    assert any(f" {runtime.rootfs}/proc " in line for line in mounts(runtime))
    assert runtime("exec", "box", "ls", "/").stdout.split() == sorted(os.listdir(runtime.rootfs))
    runtime("kill", "box", "KILL")


@pytest.mark.parametrize("linux", [None, {}, {"namespaces": []}])
def test_a_container_without_any_namespace(runtime: Runtime, linux: dict[str, Any] | None) -> None:
    spec = configuration("true")
    del spec["linux"], spec["hostname"]
    if linux is not None:
        spec["linux"] = linux
    done = runtime.run(spec)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_lay_there_before_stays(runtime: Runtime) -> None:
    subprocess.run(["mount", "--bind", runtime.rootfs, runtime.rootfs], check=True)
    before = mounts(runtime)
    assert runtime.run(shared("true")).returncode == 0
    assert mounts(runtime) == before
    assert len(before) == 1
    subprocess.run(["umount", runtime.rootfs], check=True)


def test_a_create_that_fails_leaves_no_mount(runtime: Runtime) -> None:
    done = runtime.run(shared("/no/program"))
    assert done.returncode == 1
    assert mounts(runtime) == []


def test_a_new_user_namespace_cannot_do_without_a_mount_namespace(runtime: Runtime) -> None:
    spec = shared("true")
    spec["linux"]["namespaces"].append({"type": "user"})
    mapping = [{"containerID": 0, "hostID": 100_000, "size": 65_536}]
    spec["linux"].update(uidMappings=mapping, gidMappings=mapping)
    done = runtime.run(spec)
    assert done.returncode == 1
    assert "needs a mount namespace" in done.stderr
