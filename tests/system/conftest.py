"""The machine of the session: booted once for all tests, with the project in it; every test must leave it clean."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.system import project, qemu
from tests.system.image import ImageError, image
from tests.system.machine import Machine, booted

# What containers of any store, of any user, leave while they exist; empty when there is none.
_LEFT = """
for directory in /run/pod /run/user/1000/pod /run/pod-runtime /run/user/1000/pod-runtime; do
    for name in containers exec runtime .; do
        [ ! -d $directory/$name ] || find $directory/$name -mindepth 1 -maxdepth 1 \\
            ! -name .cache ! -name containers ! -name exec ! -name networks ! -name pods ! -name runtime\\* \\
            ! -name userns\\* ! -name \\*.json
    done
    [ ! -d $directory/networks ] || find $directory/networks -mindepth 2 -type f ! -name lock
    [ ! -d $directory/runtimes ] || find $directory/runtimes -mindepth 2 -maxdepth 2 ! -name .cache
done
find /var/lib/pod/containers /home/alice/.local/share/pod/containers -mindepth 1 -maxdepth 1 2>/dev/null || true
find /sys/fs/cgroup -type d | grep -E '/(libpod|pod|box)[^/]*$|[0-9a-f]{64}' || true
pgrep -a pod-monitor || true
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the slow tests of this suite out of continuous integration, which has ten minutes for it."""
    if not os.environ.get("CI"):
        return
    for item in items:
        if item.path.parent.samefile(os.path.dirname(__file__)) and item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="slow, and this is CI: `contrib/test --system` runs it"))


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    """The machine, with the project installed, a root file system for bundles, and an image for both users."""
    if not qemu.is_installed():
        pytest.skip(f"the test machine needs {qemu.PROGRAM}")
    try:
        disk = image()
    except ImageError as error:
        pytest.skip(str(error))
    with booted(disk) as running:
        project.prepare(running, disk)
        yield running


@pytest.fixture(autouse=True)
def _clean(machine: Machine) -> Iterator[None]:
    """Fail a test that leaves a container, its state, its control group or its monitor."""
    yield
    script = 'i=0; while [ $i -lt 120 ]; do left=$(left); [ -n "$left" ] || exit 0; i=$((i+1)); sleep 0.25; done'
    left = machine.shell("root", f'left() {{\n{_LEFT}\n}}\n{script}\necho "$left"').stdout
    if left:  # not the next test's affair
        for name in ("root", "alice"):
            machine.shell(name, "pod rm --all --force --time 0; pod volume rm --all --force", check=False)
    assert not left, f"left behind:\n{left}"


@pytest.fixture(params=["root", "alice"])
def user(request: pytest.FixtureRequest) -> str:
    """Who types the command: root, or a user whose service manager lingers."""
    return str(request.param)
