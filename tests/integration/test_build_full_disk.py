"""`pod build` on a full disk: one clear line, nothing left of it, and the same build works once there is room."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator

import pytest

from tests.fixtures.check_store import check
from tests.fixtures.command import Pod
from tests.fixtures.monitor import eventually
from tests.fixtures.small_disk import on_small_disk
from tests.integration.test_build import context, run

ROOM = 14  # MiB, of which the image takes two
STEPS = {
    "COPY": "COPY large /",
    "ADD": "ADD archive.tar /",
    "RUN": "RUN dd if=/dev/zero of=/large bs=1M count=20",
    "COPY --from": "COPY --from=one / /",
}


@pytest.fixture
def small(box: Pod) -> Iterator[Pod]:
    with on_small_disk(box, ROOM) as made:
        yield made


def resize(pod: Pod, size: int) -> None:
    """Make room, or take it away."""
    subprocess.run(["mount", "-o", f"remount,size={size}", "tmpfs", pod.root], check=True)


def prepared(pod: Pod, text: str) -> str:
    """Make a context with what is too large."""
    directory = context(pod, text)
    with open(f"{directory}/large", "wb") as file:
        file.write(os.urandom(20 << 20))
    with tarfile.open(f"{directory}/archive.tar", "w") as archive:
        inner = tarfile.TarInfo("large")
        inner.size = 20 << 20
        archive.addfile(inner, io.BytesIO(bytes(inner.size)))
    return directory


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_fills_the_disk(small: Pod, busybox: str, step: str) -> None:
    first = f"FROM {busybox} AS one\nRUN dd if=/dev/urandom of=/half bs=1M count=6\n"
    second = f"FROM {busybox}\nRUN echo first > /first\n{STEPS[step]}\nRUN echo last > /last\n"
    directory = prepared(small, (first if "from" in step else "") + second)
    small.run("build", "--network", "none", "-t", "began", directory, check=False)
    before = shutil.disk_usage(small.root).used
    failed = small.run("build", "--network", "none", directory, check=False)
    assert failed.code == (1 if step == "RUN" else 125)
    lines = [line for line in failed.stderr.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1
    assert f'building at STEP "{STEPS[step]}"' in lines[0]
    assert "no space left on device" in failed.stderr.lower()
    assert "Traceback" not in failed.stderr
    assert failed.stdout.count("Using cache") >= 1  # the step before has been kept
    eventually(lambda: shutil.disk_usage(small.root).used < before + (1 << 20))  # much is deleted in the background
    assert [os.listdir(f"{small.root}/{name}") for name in ("staging", "containers")] == [[], []]
    assert check(small) == []
    resize(small, 200 << 20)
    small.run("build", "--network", "none", "-t", "whole", directory)
    assert run(small, "whole", "cat", "/first", "/last") == "first\nlast"
    assert check(small) == []


def test_a_disk_that_is_full_at_any_moment(small: Pod, busybox: str) -> None:
    """Some bytes are left, from none to enough: wherever it fails, it fails cleanly."""
    files = {f"files/{number}": f"{number} " * 900 for number in range(60)}
    first = f"FROM {busybox} AS one\nCOPY files /files\nRUN cp -a /files /copy\n"
    text = f"{first}FROM {busybox}\nCOPY --from=one /copy /copy\n"
    directory = context(small, text, files)
    outcomes = []
    resize(small, 100 << 20)
    for room in (0, 8, 40, 100, 200, 400, 600, 900, 1300, 4000):
        used = shutil.disk_usage(small.root).used
        resize(small, used + (room << 10))
        made = small.run("build", "--network", "none", directory, check=False)
        outcomes.append(made.code)
        assert "Traceback" not in made.stderr, room
        resize(small, 100 << 20)
        small.run("images")
        small.run("builder", "prune", "--all", "--force")
        assert [os.listdir(f"{small.root}/{name}") for name in ("staging", "containers")] == [[], []], room
        assert check(small) == [], room
    assert outcomes[0] != 0
    assert outcomes[-1] == 0
    small.run("build", "--network", "none", "-t", "whole", directory)
    assert run(small, "whole", "sh", "-c", "ls /copy | wc -l").strip() == "60"
