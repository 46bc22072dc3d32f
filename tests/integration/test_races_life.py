"""Every pair of commands that change a container, at the same time on one container: POD_TEST_ROUNDS times each."""

from __future__ import annotations

import itertools
import os

import pytest

from tests.fixtures.command import Pod
from tests.fixtures.monitor import eventually

ROUNDS = int(os.environ.get("POD_TEST_ROUNDS", "1"))
COMMANDS = {
    "start": ("start", "one"),
    "stop": ("stop", "--time", "0", "one"),
    "kill": ("kill", "one"),
    "rm -f": ("rm", "--force", "--time", "0", "one"),
    "restart": ("restart", "--time", "0", "one"),
    "exec": ("exec", "one", "true"),
    "pause": ("pause", "one"),
    "rename": ("rename", "one", "two"),
    "commit": ("commit", "--quiet", "one", "localhost/committed:1"),
}
PAIRS = list(itertools.combinations_with_replacement(COMMANDS, 2))
# All in one store for a first look; each pair in one of its own, and with its own time, when it is tried often.
GROUPS = [PAIRS] if ROUNDS == 1 else [[pair] for pair in PAIRS]
# What a command may say when the other one was faster.
EXPECTED = (
    "no such container",
    "container state improper",
    "already exists",
    "already in use",
    "not running",
    "ended",
    "not supported",
    "no longer waits for that",
)


def race(box: Pod, busybox: str, first: str, second: str, *, running: bool) -> None:
    identity = box.run("create", "--name", "one", busybox, "sleep", "600").out
    if running:
        box.run("start", "one")
    processes = [box.start(*COMMANDS[name]) for name in (first, second)]
    try:
        if {first, second} == {"exec", "pause"}:
            # What is executed may be in the container by then, and is paused with it.
            processes[1].wait(60)
            box.run("unpause", "one", check=False)
        told = [process.communicate(timeout=60)[1].decode() for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    for name, process, error in zip((first, second), processes, told, strict=True):
        assert "Traceback" not in error, (name, error)
        assert "this is a bug" not in error, (name, error)
        if process.returncode:
            assert any(text in error for text in EXPECTED) or name == "exec", (name, process.returncode, error)
        if name == "rm -f":
            assert process.returncode == 0, error
    check(box, identity, removed="rm -f" in (first, second), renamed="rename" in (first, second))


def check(box: Pod, identity: str, *, removed: bool, renamed: bool) -> None:
    """Look whether what `ps` says is true, and remove what is left."""
    # A container that was killed may end between the look of `ps` and ours; a lie stays one.
    eventually(lambda: is_true(listing(box)))
    listed = listing(box)
    if removed and not renamed:
        assert listed == [], listed
    if listed:
        found, name, state, _pid = listed
        assert found == identity
        assert name in (("one", "two") if renamed else ("one",))
        assert state in ("created", "initialized", "running", "paused", "exited"), state
        box.run("rm", "--force", "--time", "0", identity)
    assert box.run("ps", "--all", "--quiet").out == ""


def listing(box: Pod) -> list[str]:
    """Return ID, name, state and pid of the only container, if there is one."""
    return box.run("ps", "--all", "--no-trunc", "--format", "{{.ID}} {{.Names}} {{.State}} {{.Pid}}").out.split()


def is_true(listed: list[str]) -> bool:
    """Tell whether a container that runs has its process, and one that does not has none."""
    if not listed:
        return True
    _id, _name, state, pid = listed
    return (state in ("running", "paused", "initialized")) == (pid != "0" and os.path.exists(f"/proc/{pid}"))


@pytest.mark.parametrize("pairs", GROUPS, ids=lambda pairs: "-".join(pairs[0]) if len(pairs) == 1 else "all")
@pytest.mark.parametrize("running", [True, False], ids=["running", "created"])
def test_every_pair_at_once(box: Pod, busybox: str, pairs: list[tuple[str, str]], running: bool) -> None:
    if ROUNDS == 1 and not running:
        pairs = [pair for pair in pairs if "start" in pair or "rm -f" in pair]
    for first, second in pairs:
        for _ in range(ROUNDS):
            race(box, busybox, first, second, running=running)
