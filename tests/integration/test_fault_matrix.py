"""The fault matrix: whatever changes a store is killed, or refused by the disk, at every one of its steps in turn.

After each fault the next command finds a store without damage or remains, in which every image that was reported
present is whole, and what was reported done is done. `POD_TEST_FAULT_STRIDE` says of how many steps one is tried: 1
tries all of them; the default is for the time that CI has, and begins at another step each day.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from storage.chunked.writer import Chunked
from storage.documents import OCI_LAYER, digest_of
from storage.layers.erofs import mounting
from tests.fakes.registry import FakeRegistry
from tests.fixtures import faults
from tests.fixtures.images import entry, tar

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STRIDE = int(os.environ.get("POD_TEST_FAULT_STRIDE", "7"))
PRISTINE = ["/old:1", "/other:1"]
# What is saved whole, where something is saved.
SAVED = {"save": ["whole"], "overwrite": ["whole"], "layout": ["whole", "whole"], "directory": ["whole"]}
FAULTS = {"kill": faults.KILL, "ENOSPC": faults.ENOSPC, "full": faults.FULL, "EIO": faults.EIO}
# The names and the number of images that may be there after each operation: as before, as after, and in between where
# it is several.
ENDS: dict[str, list[tuple[list[str], int]]] = {
    "pull": [(PRISTINE, 2), (["/new:1", *PRISTINE], 3)],
    "first": [(PRISTINE, 2), ([], 0), (["/new:1"], 1)],
    "repull": [(PRISTINE, 2), (["/new:1", *PRISTINE], 3)],
    "parts": [
        (PRISTINE, 2),
        (sorted([*PRISTINE, "/parts:1"]), 3),
        (sorted([*PRISTINE, "/parts:1", "/parts:2"]), 4),
    ],
    "remove": [(PRISTINE, 2), (["/other:1"], 1)],
    "prune": [(PRISTINE, 2), (["/old:1"], 1), (["/other:1"], 1), ([], 0)],
    "tag": [([*PRISTINE, "localhost/name:1"], 2), (PRISTINE, 2)],
    "commit": [(PRISTINE, 2), ([*PRISTINE, "localhost/made:1"], 3)],
    "build": [(PRISTINE, 2), ([*PRISTINE, "localhost/built:1"], 3)],
    "push": [(PRISTINE, 2)],
    "save": [(PRISTINE, 2)],
    "overwrite": [(PRISTINE, 2)],
    "layout": [(PRISTINE, 2)],
    "directory": [(PRISTINE, 2)],
    "load": [(PRISTINE, 2), ([*PRISTINE, "localhost/loaded:1"], 3)],
    "mend": [(PRISTINE, 2)],
    "sync": [(PRISTINE, 2)],
    "sweep": [(PRISTINE, 2)],
    "wipe": [(PRISTINE, 2), ([], 0)],
}

pytestmark = [
    pytest.mark.skipif(not faults.SUPPORTED, reason="the tracer knows the registers of x86-64 only"),
    pytest.mark.slow,
]


class Subject:
    """The process in which the faults strike (tests/fixtures/fault_subject.py)."""

    def __init__(self, directory: Path, registry: FakeRegistry, layers: str) -> None:
        self.packed = layers == "packed"
        self._registry = registry
        self._blobs: dict[str, bytes] = {}
        places = [str(directory / name) for name in ("store", "pristine")]
        code = f"import sys; sys.path.insert(0, {SOURCE!r}); from tests.fixtures.fault_subject import main; main()"
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", code, *places, registry.domain, layers],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def do(self, work: str, fault: int = 0, at: int = 0) -> Any:
        """Let the fault strike the work at a step; tell what happened and what is left."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"work": work, "fault": fault, "at": at}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if work == "push":
            answer["pushed"] = self._pushed()
        return answer

    def _pushed(self) -> str:
        """Look at what the registry has got, and forget it."""
        found = self._registry.manifests.pop(("pushed", "1"), None)
        whole = found is not None and all(
            one["digest"] in self._registry.blobs
            for document in [json.loads(found[0])]
            for one in (document["config"], *document["layers"])
        )
        self._registry.blobs = dict(self._blobs)
        return "whole" if whole else "nothing" if found is None else "damaged"

    def prepared(self) -> None:
        """Remember what the registry has before anything is pushed."""
        assert self.do("prepare")["code"] == 0
        self._blobs = dict(self._registry.blobs)

    def close(self) -> None:
        """End it."""
        self._process.communicate()


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    """A store whose layers are directories."""
    with made(tmp_path_factory.mktemp("faults"), "unpacked") as one:
        yield one


@pytest.fixture(scope="module")
def packed_subject(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    """A store whose layers are kept as tars with an EROFS index."""
    directory = tmp_path_factory.mktemp("faults")
    reason = "it is root's alone" if os.getuid() else mounting.obstacle(str(directory))
    if reason:
        pytest.skip(f"no layers as EROFS: {reason}")
    with made(directory, "packed") as one:
        yield one


@contextmanager
def made(directory: Path, layers: str) -> Iterator[Subject]:
    base = tar(entry("usr"), entry("usr/base", b"base"), entry("usr/link", type=b"2", linkname="base"))
    with FakeRegistry() as registry:
        for name in ("old", "other", "new"):
            own = tar(
                entry("etc", mode=0o750),
                entry("etc/name", name.encode()),
                entry("usr/.wh.base" if name == "new" else "etc/more", b""),
            )
            registry.add_image(name, "1", [base, own])
        for tag in ("1", "2"):
            add_in_parts(registry, tag, tar(*(entry(f"srv/{n}", str(n).encode() * 999) for n in range(4)), entry(tag)))
        one = Subject(directory, registry, layers)
        one.prepared()
        yield one
        one.close()


def add_in_parts(registry: FakeRegistry, tag: str, layer: bytes) -> None:
    """Serve an image whose one layer is zstd:chunked."""
    chunked = Chunked(iter([layer]))
    blob = b"".join(chunked.chunks())
    descriptor = {"mediaType": f"{OCI_LAYER}+zstd", "digest": digest_of(blob), "size": len(blob)}
    registry.blobs[digest_of(blob)] = blob
    registry.add_image("parts", tag, [layer], {"layers": [{**descriptor, "annotations": chunked.annotations}]})


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("work", ENDS)
def test_every_step(subject: Subject, work: str, fault: str) -> None:
    strike(subject, work, fault)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("work", ["pull", "repull", "load", "commit", "build", "remove", "prune", "mend", "sweep"])
def test_every_step_with_packed_layers(packed_subject: Subject, work: str, fault: str) -> None:
    whole = strike(packed_subject, work, fault)
    assert whole["found"]["packed"] == whole["found"]["layers"]


def strike(subject: Subject, work: str, fault: str) -> Any:
    """Do the work, then again with a fault at each step; give what it was without."""
    whole = subject.do(work)
    assert whole["code"] == 0, whole["message"]
    assert_sound(work, whole, "no fault")
    assert state(whole) == ENDS[work][-1]
    struck = 0
    # What is near to another row of the matrix is tried half as often, where there are many steps.
    seldom = STRIDE > 1 and whole["steps"] > 8 * STRIDE and (fault == "full" or subject.packed)
    stride = STRIDE * 2 if seldom else STRIDE
    for step in range(1 + int(time.time()) // 86400 % stride, whole["steps"] + 1, stride):
        outcome = subject.do(work, FAULTS[fault], step)
        where = (
            f"step {step} of {whole['steps']}, {outcome['struck']}: exit code {outcome['code']}: {outcome['message']}"
        )
        assert_sound(work, outcome, where)
        struck += outcome["struck"] != ""
        assert outcome["code"] in ((0, 1, -9) if fault == "kill" else (0, 1)), where
        assert outcome.get("pushed") != "damaged", where
        if outcome["code"] == 0 and work == "push":
            assert outcome["pushed"] == "whole", where
        if outcome["code"] == 0:
            assert outcome["found"]["saved"] == SAVED.get(work, []), where
        if outcome["code"] == 0:
            assert state(outcome) == ENDS[work][-1], where
    print(f"{work}, {fault}: {struck} of {whole['steps']} steps struck")
    assert struck
    return whole


def assert_sound(work: str, outcome: Any, where: str) -> None:
    found = outcome["found"]
    assert found["damage"] == [], where
    assert found["left"] == [], where
    assert "damaged" not in found["saved"], where
    assert state(outcome) in ENDS[work], where


def state(outcome: Any) -> tuple[list[str], int]:
    return outcome["found"]["names"], outcome["found"]["images"]
