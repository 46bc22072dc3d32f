"""Shell scripts of the kind that people publish, run with podman and with pod: the same output and the same codes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures import engines, leaks
from tests.fixtures.command import Pod, make_pod
from tests.fixtures.engines import Engine
from tests.fixtures.user import User, current_user, make_user, remove_user

SCRIPTS = sorted(Path(__file__).with_name("scripts").glob("*.sh"))
MODES = ["root", "rootless"] if os.getuid() == 0 else ["rootless"]


@pytest.fixture(scope="module", params=MODES)
def user(request: pytest.FixtureRequest) -> Iterator[User]:
    """Who runs the scripts: root, or an ordinary user."""
    if os.getuid() != 0 or request.param == "root":
        yield current_user()
        return
    made = make_user()
    yield made
    remove_user(made)


@pytest.fixture(scope="module")
def podman(workplace: str, user: User, busybox: str) -> Iterator[Engine]:
    """Podman with runc, and the small image."""
    # Podman wants short paths.
    directory = os.path.join(workplace, f"oracle{user.uid}")
    with (
        engines.tidied(directory),
        engines.podman(directory, user, engines.program("runc")) as engine,
    ):
        engine.image = engine.pull(busybox)
        yield engine
        engine.remove_containers()


@pytest.fixture(scope="module")
def pod(workplace: str, user: User, runtime_command: str, busybox: str) -> Iterator[Pod]:
    """Our command, and the small image."""
    groups = leaks.control_groups()
    made = make_pod(runtime_command.removesuffix("-runtime"), os.path.join(workplace, f"scripts{user.uid}"), user)
    made.run("pull", "--quiet", busybox)
    yield made
    made.remove_containers()
    assert made.leftovers(groups) == []


def play(script: Path, engine: Pod, image: str) -> tuple[int, list[str]]:
    """Run a script in a directory of its own; return its code and its lines, without what differs from run to run."""
    directory = os.path.join(engine.directory, script.stem)
    os.mkdir(directory)
    os.chown(directory, engine.user.uid, engine.user.gid)
    settings = {"ENGINE": " ".join(engine.argv()), "IMAGE": image}
    # The user may not be able to enter the source tree.
    argv = ["bash", "-c", f'cd "$1" && exec bash -c "$2" {script.name}', "bash", directory, script.read_text()]
    done = engine.execute(argv, check=False, timeout=120, env=settings)
    assert "Traceback" not in done.stderr
    lines = [re.sub(r"\b[0-9a-f]{64}\b|\b[0-9a-f]{12}\b", "ID", line).rstrip() for line in done.stdout.splitlines()]
    for left in (["ps", "--all", "--quiet"], ["volume", "ls", "--quiet"]):
        assert engine.run(*left).out == "", f"{script.name} cleans up after itself"
    return done.code, lines


@pytest.mark.parametrize("script", SCRIPTS, ids=[script.stem for script in SCRIPTS])
def test_a_script_does_the_same(script: Path, podman: Engine, pod: Pod, busybox: str) -> None:
    try:
        code, lines = play(script, podman, podman.image)
        assert len(lines) > 5
        assert play(script, pod, busybox) == (code, lines)
    finally:
        podman.remove_containers()
        pod.remove_containers()


def test_there_are_ten_of_them() -> None:
    assert len(SCRIPTS) >= 10
