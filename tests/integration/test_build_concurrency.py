"""Builds at the same time as others, and as what removes images, caches and whatever is not in use."""

from __future__ import annotations

import subprocess
import threading

import pytest

from tests.fixtures.check_store import check
from tests.fixtures.command import Pod
from tests.integration.test_build import context, run

TEXT = """\
FROM {0} AS one
COPY files /files
RUN --mount=type=cache,target=/c,sharing=locked cat /files/* > /sum && sleep 0.3
FROM {0}
COPY --from=one /sum /sum
RUN echo $(cat /sum | wc -c) > /size
LABEL a=b
"""
FILES = {f"files/{number}": f"{number}\n" * 100 for number in range(100)}
SIZE = str(sum(len(text) for text in FILES.values()))


def test_builds_of_the_same_at_once(box: Pod, busybox: str) -> None:
    directory = context(box, TEXT.format(busybox), FILES)
    builds = [
        box.start("build", "--network", "none", "-t", f"made{number}", directory, stderr=subprocess.STDOUT)
        for number in range(3)
    ]
    for one in builds:
        out, _ = one.communicate(timeout=120)
        assert one.returncode == 0, out.decode()
    for number in range(3):
        assert run(box, f"made{number}", "cat", "/size") == SIZE
    again = box.run("build", "--network", "none", "-t", "made0", directory).stdout
    assert all(f"STEP {step}" in again for step in ("1/3", "4/4"))
    assert again.count("--> Using cache") >= 4
    assert len(set(box.run("images", "-q", "--no-trunc", "made0").out.splitlines())) == 1
    assert check(box) == []


@pytest.mark.parametrize(
    "words",
    [("rmi", "--all", "--force"), ("system", "prune", "--all", "--force"), ("builder", "prune", "--all", "--force")],
)
def test_builds_while_everything_else_is_removed(box: Pod, busybox: str, words: tuple[str, ...]) -> None:
    """A build keeps what it stands on and what it has made; only the names that it has given may go."""
    directory, stop = context(box, TEXT.format(busybox), FILES), threading.Event()
    seen: list[str] = []

    def remove() -> None:
        while not stop.is_set():
            removed = box.run(*words, check=False)
            if "Traceback" in removed.stderr or removed.code not in (0, 1, 2, 125):
                seen.append(removed.stderr)

    thread = threading.Thread(target=remove)
    thread.start()
    try:
        for _ in range(4):
            made = box.run("build", "--network", "none", "--pull=missing", "-t", "made", directory, check=False)
            assert made.code == 0, made.stderr
    finally:
        stop.set()
        thread.join()
    assert seen == []
    box.run("build", "--network", "none", "-t", "made", directory)
    assert run(box, "made", "cat", "/size") == SIZE
    assert check(box) == []
