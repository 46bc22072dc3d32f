"""What the tests of other people's engines share: one of each for the session, and containers of each test's own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.fixtures import debian, engines, images, place
from tests.fixtures.command import install
from tests.fixtures.engines import Containerd, Engine
from tests.fixtures.registry import Registry, serve
from tests.fixtures.user import current_user, make_user, remove_user

ENGINES = ["podman", "rootless", "docker"]


@pytest.fixture(scope="session")
def workplace() -> Iterator[str]:
    """A directory for the whole session that every user may enter."""
    with place.make() as path:
        yield path


@pytest.fixture(scope="session")
def runtime_command(workplace: str) -> str:
    """The path of `pod-runtime`, installed with the fast launcher."""
    pod = install(os.path.join(workplace, "program"))
    return os.path.join(os.path.dirname(pod), engines.RUNTIME)


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
def real_images(registry: Registry) -> dict[str, str]:
    """The references of images made from Debian's packages, by short name; see `tests.fixtures.debian`."""
    wanted = {name: image for name, image in debian.images().items() if name in ("nginx", "redis", "python")}
    return {name: registry.push(name, "latest", image) for name, image in wanted.items()}


@pytest.fixture(scope="session", params=ENGINES)
def running_engine(
    request: pytest.FixtureRequest, workplace: str, runtime_command: str, busybox: str
) -> Iterator[Engine]:
    """An engine that holds the small image; at the session's end nothing of it may be left."""
    directory = os.path.join(workplace, request.param)
    rootless = request.param == "rootless"
    user = make_user() if rootless else current_user()
    try:
        with engines.nothing_left(directory):
            start = (
                engines.docker(directory, runtime_command)
                if request.param == "docker"
                else engines.podman(directory, user, runtime_command)
            )
            with start as engine:
                engine.image = engine.pull(busybox)
                yield engine
                engine.remove_containers()
    finally:
        if rootless:
            remove_user(user)


@pytest.fixture
def engine(running_engine: Engine) -> Iterator[Engine]:
    """An engine without containers."""
    yield running_engine
    running_engine.remove_containers()
    engines.assert_no_shims(running_engine)


@pytest.fixture(scope="session")
def running_containerd(workplace: str, runtime_command: str, busybox: str) -> Iterator[Containerd]:
    """A containerd that holds the small image."""
    directory = os.path.join(workplace, "containerd")
    with engines.nothing_left(directory), engines.containerd(directory, runtime_command) as daemon:
        daemon.run("images", "pull", "--plain-http", busybox)
        yield daemon
