"""The fixtures of the suites that drive the command: each test as root and as an ordinary user, with a fresh store."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.fixtures import debian, images, leaks, place
from tests.fixtures.bundle import Runtime
from tests.fixtures.command import Pod, install, make_pod
from tests.fixtures.nethost import TestHost, eventually_equal, nethost, on_host, ruleset
from tests.fixtures.registry import Registry, serve
from tests.fixtures.user import User, current_user, make_user, remove_user

MODES = ["root", "rootless"] if os.getuid() == 0 else ["rootless"]
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def workplace() -> Iterator[str]:
    """A directory for the whole session that every user may enter; as root, on a file system of its own."""
    with place.make() as path:
        yield path


@pytest.fixture(scope="session")
def command(workplace: str) -> str:
    """The path of `pod`, installed with the fast launcher."""
    return install(os.path.join(workplace, "program"))


@pytest.fixture(scope="session")
def ordinary_user() -> Iterator[User]:
    """A user made by `useradd -m`, or the one who runs the tests."""
    if os.getuid() != 0:
        yield current_user()
        return
    user = make_user()
    yield user
    remove_user(user)


@pytest.fixture(scope="session")
def user_without_subordinate_ids() -> Iterator[User]:
    """An ordinary user who has no line in /etc/subuid and /etc/subgid."""
    if os.getuid() != 0:
        pytest.skip("needs root to make a user")
    user = make_user(subordinate_ids=False)
    yield user
    remove_user(user)


@pytest.fixture(scope="session", params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    """Who types the command: "root" or "rootless"."""
    return str(request.param)


@pytest.fixture(scope="session")
def user(mode: str, request: pytest.FixtureRequest) -> User:
    """The user of this mode."""
    if mode == "root" and os.getuid() != 0:
        pytest.skip("needs root")
    found: User = current_user() if mode == "root" else request.getfixturevalue("ordinary_user")
    return found


@pytest.fixture
def pod(command: str, workplace: str, user: User) -> Iterator[Pod]:
    """`pod` with an empty store of its own; whatever it leaves behind fails the test."""
    groups = leaks.control_groups()
    made = make_pod(command, os.path.join(workplace, f"{next(_numbers):05d}"), user)
    yield made
    try:
        made.remove_containers()
        found = made.leftovers(groups)
    finally:
        leaks.end_processes(lambda process: process.mentions(made.directory))
        remove_tree(made.directory, unshare=made)
    assert not found, "left behind:\n" + "\n".join(found)


@pytest.fixture
def runtime(workplace: str, user: User) -> Iterator[Runtime]:
    """`pod-runtime` with a bundle and a state directory of its own; what it leaves there fails the test."""
    made = Runtime(os.path.join(workplace, f"{next(_numbers):05d}-runtime"), user)
    yield made
    assert made.leftovers() == []


@pytest.fixture
def as_root(runtime: Runtime) -> Runtime:
    """`runtime` of root alone: each command of an ordinary user has a user namespace of its own, and no privileges."""
    if runtime.user.uid:
        pytest.skip("needs root")
    return runtime


@pytest.fixture(scope="session")
def registry(workplace: str) -> Iterator[Registry]:
    """Debian's docker-registry on a free port of the loopback device."""
    with serve(os.path.join(workplace, "registry")) as running:
        yield running


@pytest.fixture(scope="session")
def busybox(registry: Registry) -> str:
    """The reference of a small image: Debian's static busybox and its applets."""
    return registry.push("busybox", "latest", images.busybox())


@pytest.fixture(scope="session")
def store_with_busybox(command: str, workplace: str, user: User, busybox: str) -> Pod:
    """A store that holds the small image, to be copied."""
    pod = make_pod(command, os.path.join(workplace, f"template-{user.name}"), user)
    pod.run("pull", "--quiet", busybox)
    # What makes the layers durable in the background still writes to the store.
    assert pod.leftovers(leaks.control_groups(), timeout=20) == []
    return pod


@pytest.fixture
def box(pod: Pod, busybox: str, request: pytest.FixtureRequest) -> Pod:
    """`pod` whose store holds the small image `busybox` (see `busybox` for its name)."""
    if os.getuid() != 0:
        pod.run("pull", "--quiet", busybox)
        return pod
    template: Pod = request.getfixturevalue("store_with_busybox")
    subprocess.run(["cp", "-a", template.root, pod.root], check=True)
    return pod


@pytest.fixture
def root_box(box: Pod) -> Pod:
    """`box` of root alone."""
    if box.rootless:
        pytest.skip("needs root")
    return box


@pytest.fixture
def rootless_box(box: Pod) -> Pod:
    """`box` of an ordinary user alone."""
    if not box.rootless:
        pytest.skip("is about ordinary users")
    return box


@pytest.fixture(scope="session")
def debian_images(registry: Registry) -> dict[str, str]:
    """The references of images made from Debian's packages, by short name; see `tests.fixtures.debian`."""
    return {name: registry.push(name, "latest", image) for name, image in debian.images().items()}


@pytest.fixture
def host() -> Iterator[TestHost]:
    """A host of the tests' own, with the world beyond it. Needs root."""
    with nethost() as made:
        yield made


@pytest.fixture
def net(box: Pod, host: TestHost) -> Iterator[Pod]:
    """`box` on the test host, with networks as they are by default; afterwards nothing of it may be left there."""
    made = on_host(box, host)
    yield made
    made.remove_containers()
    assert eventually_equal(host.links, {"lo", "up0"}) == {"lo", "up0"}
    assert eventually_equal(lambda: "elements" in ruleset(host), False) is False


def remove_tree(path: str, *, unshare: Pod | None = None) -> None:
    """Remove a tree, of which parts may belong to subordinate ids."""
    if os.getuid() != 0 and unshare is not None and os.path.isdir(unshare.root):
        unshare.run("unshare", "rm", "-rf", unshare.root, check=False)
    shutil.rmtree(path, ignore_errors=True)
