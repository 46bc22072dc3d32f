"""`pod build` where something is unusual: layers that come twice, names that mean something in a layer, a full disk."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tests.fixtures.command import Pod
from tests.integration.test_build import build, context, inspect, run


def test_a_layer_that_comes_twice(box: Pod, busybox: str) -> None:
    steps = "COPY f /d/\nRUN rm /d/f; echo 2 > /d/g\nCOPY f /d/\n"
    build(
        box,
        f"FROM {busybox}\nRUN true\nRUN true\nRUN true\n{steps}RUN cat /d/f > /d/seen\n",
        "-t",
        "twice",
        files={"f": "1\n"},
    )
    layers = inspect(box, "twice")["RootFS"]["Layers"]
    assert len(set(layers)) == len(layers) - 3
    assert run(box, "twice", "sh", "-c", "ls /d; cat /d/*") == "f\ng\nseen\n1\n2\n1"
    archive = os.path.join(box.directory, "twice.tar")
    box.run("save", "-o", archive, "twice")
    box.run("rmi", "-f", "twice")
    box.run("load", "-i", archive)
    assert run(box, "twice", "sh", "-c", "cat /d/*") == "1\n2\n1"
    build(box, "FROM twice\nRUN rm /d/f\nCOPY f /d/\nRUN rm /d/g\n", "-t", "thrice", files={"f": "1\n"})
    assert run(box, "thrice", "ls", "/d") == "f\nseen"
    box.run("system", "check")


def test_a_full_disk(box: Pod, busybox: str) -> None:
    if box.rootless:
        pytest.skip("an ordinary user mounts no file system for a store")
    store = os.path.join(box.directory, "small")
    os.mkdir(store)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=14m", "tmpfs", store], check=True)
    try:
        subprocess.run(["cp", "-a", f"{box.root}/.", store], check=True)
        box.options[box.options.index(box.root)] = store
        before = shutil.disk_usage(store).used
        with open(f"{context(box, f'FROM {busybox}' + chr(10) + 'COPY large /' + chr(10))}/large", "wb") as file:
            file.write(os.urandom(20 << 20))
        failed = box.run("build", f"{box.directory}/context", check=False)
        assert failed.code == 125
        assert 'building at STEP "COPY large /"' in failed.stderr
        assert "no space left on device" in failed.stderr.lower()
        assert shutil.disk_usage(store).used < before + (1 << 20)
        box.run("system", "check")
    finally:
        subprocess.run(["umount", "--lazy", store], check=True)
