"""kill -9 of one of two that change a store: the other does not notice, and the next one sweeps what is left.

Kills of one alone are in test_fault_matrix.py. `POD_TEST_KILLS` says how many kills there are.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import gc, images
from storage.check import check
from storage.store import Store, open_store
from tests.fakes.registry import FakeRegistry
from tests.fixtures.images import entry, tar

KILLS = int(os.environ.get("POD_TEST_KILLS", "5" if os.environ.get("POD_TEST_QUICK") else "12"))
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PRIVILEGED = os.getuid() == 0

# One interpreter forks a puller for each word of its input: to start one anew would make the kills miss the work.
SCRIPT = f"""
import os, sys
sys.path.insert(0, {SOURCE!r})
from storage import images, remap, transfer
from storage.layers import worker
from storage.reference import normalize
from storage.registry import client
from storage.registry.options import RegistryOptions
from storage.store import open_store
from tests.fixtures.trusting import accept_anything
from storage.fetch import Fetcher

root, name = sys.argv[1:3]

def pull(store):
    options = RegistryOptions()
    trust = accept_anything(options)
    transfer.pull(
        store, normalize(name), options=options, trust=trust, rootless={not PRIVILEGED}, single_id={not PRIVILEGED}
    )

def remove(store):
    for image in images.list_images(store):
        images.remove(store, image.id, force=True)

while True:
    word = os.read(0, 1)
    if not word:
        break
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open("/dev/null", os.O_RDWR), 0)
        code = 1
        try:
            store = open_store(root)
            {{b"p": pull, b"r": remove}}[word](store)
            code = 0
        finally:
            os._exit(code)
    os.write(1, b"%d\\n" % pid)
    os.read(0, 1)  # Until then its PID is nobody else's.
    os.write(1, b"%d\\n" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


class Subject:
    """A process that pulls or removes when told to."""

    def __init__(self, root: str, name: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", SCRIPT, root, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )

    def start(self, word: bytes) -> int:
        """Begin; give the PID."""
        assert self._process.stdin is not None
        self._process.stdin.write(word)
        return self._number()

    def end(self) -> int:
        """Wait for the end; give the exit code."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"w")
        return self._number()

    def _number(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(str(tmp_path / "store"))
    yield opened
    opened.close()


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        layers = [
            tar(
                entry("usr", mode=0o750, type=b"5"),
                *(entry(f"usr/{name}", os.urandom(200)) for name in range(50)),
            ),
            *(tar(*(entry(f"usr/{number}/{name}", os.urandom(200)) for name in range(100))) for number in range(4)),
        ]
        running.add_image("a", "1", layers)
        yield running


@pytest.fixture
def subjects(store: Store, registry: FakeRegistry) -> Iterator[list[Subject]]:
    made = [Subject(store.root, f"{registry.domain}/a:1") for _ in range(2)]
    yield made
    for subject in made:
        subject.close()


def duration(subject: Subject, word: bytes) -> float:
    begin = time.monotonic()
    subject.start(word)
    assert subject.end() == 0
    return time.monotonic() - begin


def remains(store: Store) -> dict[str, list[str]]:
    """Tell what is unfinished or has no row, though nobody works on it: the kernel ends orphaned workers soon."""
    deadline = time.monotonic() + 60
    while True:
        gc.sweep(store)
        found = {name: os.listdir(f"{store.root}/{name}") for name in ("staging", "ingest")}
        known = {row[0] for row in store.connection.execute("SELECT key FROM layer")}
        found["layers"] = [name for name in os.listdir(store.layers) if name not in known]
        left = {name: value for name, value in found.items() if value}
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.01)


@pytest.mark.slow
def test_one_of_two_is_killed(store: Store, subjects: list[Subject]) -> None:
    longest = duration(subjects[0], b"p")
    chance = random.Random()
    for _ in range(KILLS):
        for image in images.list_images(store):
            images.remove(store, image.id, force=True)
        victim, _other = (subject.start(b"p") for subject in subjects)
        time.sleep(chance.uniform(0, longest))
        os.kill(victim, 9)
        subjects[0].end()
        assert subjects[1].end() == 0
        assert len(images.list_images(store)) == 1
        assert check(store, deep=True) == []
        assert remains(store) == {}
