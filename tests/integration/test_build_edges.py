"""`pod build` where something is unusual: layers that come twice, names that mean something in a layer, a full disk."""

from __future__ import annotations

import os

from tests.fixtures.command import Pod
from tests.integration.test_build import build, inspect, run


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
