"""Shell scripts of the kind that people publish, run with podman and with pod: the same output and the same codes."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures import engines, leaks
from tests.fixtures.command import Pod, make_pod
from tests.fixtures.engines import Engine
from tests.fixtures.user import current_user

pytestmark = pytest.mark.root

SCRIPTS = sorted(Path(__file__).with_name("scripts").glob("*.sh"))


@pytest.fixture(scope="module")
def podman(workplace: str, busybox: str) -> Iterator[Engine]:
    """Podman with runc, and the small image."""
    directory = os.path.join(workplace, "oracle")
    with (
        engines.nothing_left(directory),
        engines.podman(directory, current_user(), engines.program("runc")) as engine,
    ):
        engine.image = engine.pull(busybox)
        yield engine
        engine.remove_containers()


@pytest.fixture(scope="module")
def pod(workplace: str, runtime_command: str, busybox: str) -> Iterator[Pod]:
    """Our command, and the small image."""
    groups = leaks.control_groups()
    made = make_pod(runtime_command.removesuffix("-runtime"), os.path.join(workplace, "scripts"), current_user())
    made.run("pull", "--quiet", busybox)
    yield made
    made.remove_containers()
    assert made.leftovers(groups) == []


def play(script: Path, engine: Pod, image: str, directory: Path) -> tuple[int, list[str]]:
    """Run a script in a directory of its own; return its code and its lines, without what differs from run to run."""
    directory.mkdir()
    environment = {**engine.environment, "ENGINE": " ".join(engine.argv()), "IMAGE": image}
    done = subprocess.run(
        ["bash", str(script)],
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "Traceback" not in done.stderr
    lines = [re.sub(r"\b[0-9a-f]{64}\b|\b[0-9a-f]{12}\b", "ID", line).rstrip() for line in done.stdout.splitlines()]
    for left in (["ps", "--all", "--quiet"], ["volume", "ls", "--quiet"]):
        assert engine.run(*left).out == "", f"{script.name} cleans up after itself"
    return done.returncode, lines


@pytest.mark.parametrize("script", SCRIPTS, ids=[script.stem for script in SCRIPTS])
def test_a_script_does_the_same(script: Path, podman: Engine, pod: Pod, busybox: str, tmp_path: Path) -> None:
    try:
        expected = play(script, podman, podman.image, tmp_path / "podman")
        assert play(script, pod, busybox, tmp_path / "pod") == expected
        assert len(expected[1]) > 5
    finally:
        podman.remove_containers()
        pod.remove_containers()


def test_there_are_ten_of_them() -> None:
    assert len(SCRIPTS) >= 10
