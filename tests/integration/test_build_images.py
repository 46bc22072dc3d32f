"""What images hold where podman's builder has ways of its own; tests/conformance/test_builds.py compares the two."""

from __future__ import annotations

import io
import tarfile
import time

from tests.fixtures.command import Pod
from tests.integration.test_build import build, context, inspect, run


def test_run_makes_its_directory_and_those_of_volumes(box: Pod, busybox: str) -> None:
    text = f"""\
FROM {busybox}
VOLUME /volume/deep
USER 5:6
WORKDIR /work/deep
RUN touch mine
USER 0
RUN stat -c '%u:%g' /work /work/deep /work/deep/mine /volume /volume/deep > /owners
"""
    build(box, text, "-t", "x")
    assert run(box, "x", "cat", "/owners").split() == ["5:6"] * 3 + ["0:0"] * 2


def test_the_directory_that_something_is_mounted_in_is_of_the_image(box: Pod, busybox: str) -> None:
    text = f"""\
FROM {busybox}
USER 5:6
WORKDIR /work/deep
RUN --mount=type=bind,source=a,target=a cat a
WORKDIR /other
RUN --mount=type=tmpfs,target=tmp touch mine
"""
    build(box, text, "-t", "x", files={"a": "1"})
    owners = run(box, "x", "stat", "-c", "%u:%g", "/work", "/work/deep", "/other", "/other/mine")
    assert owners.split() == ["5:6"] * 4
    assert run(box, "x", "find", "/work", "/other").split() == ["/work", "/work/deep", "/other", "/other/mine"]


def test_patterns_that_nothing_matches(box: Pod, busybox: str) -> None:
    """`COPY package.json package-lock.json* ./` is what people write."""
    text = f"FROM {busybox}\nCOPY a lock* /copied/\nADD lock* a /added/\n"
    text += f"COPY --from={busybox} /bin/sh /bin/nothing* /from/\n"
    build(box, text, "-t", "x", files={"a": "1"})
    assert run(box, "x", "ls", "/copied", "/added", "/from").split() == (
        ["/added:", "a", "/copied:", "a", "/from:", "sh"]
    )
    failed = build(box, f"FROM {busybox}\nADD lock* no* /added/\n", check=False)
    assert 'copier: stat: ["/lock*" "/no*"]: no such file or directory' in failed.stderr


def test_the_history_tells_of_arguments(box: Pod, busybox: str) -> None:
    text = f"FROM {busybox}\nARG ONE=1 TWO\nRUN echo $ONE > /one\n"
    first = build(box, text, "-t", "x")
    assert first.stdout.splitlines()[1:3] == ["STEP 2/3: ARG ONE=1 TWO", first.stdout.splitlines()[2]]
    assert first.stdout.splitlines()[2].startswith("--> ")
    history = inspect(box, "x")["History"][-2:]
    assert [bool(entry.get("empty_layer")) for entry in history] == [True, False]
    assert "ARG ONE" in history[0]["created_by"]
    assert build(box, text, "-t", "x").stdout.splitlines()[-1] == first.stdout.splitlines()[-1]


def test_documents_are_as_young_as_the_build(box: Pod, busybox: str) -> None:
    """Neither zip nor wheels know a time before 1980."""
    began = int(time.time())
    text = f"FROM {busybox}\nCOPY <<document /\ntext\ndocument\n"
    build(box, text, "-t", "x")
    assert int(run(box, "x", "stat", "-c", "%Y", "/document")) >= began
    assert "Using cache" in build(box, text).stdout


def test_what_stands_on_nothing_begins_at_its_root(box: Pod, busybox: str) -> None:
    build(box, "FROM scratch\nWORKDIR x//y/\nCOPY a /a\n", "-t", "x", files={"a": ""})
    assert inspect(box, "x")["Config"]["WorkingDir"] == "/x/y"
    build(box, "FROM scratch\nCOPY a /a\n", "-t", "x")
    assert inspect(box, "x")["Config"]["WorkingDir"] == "/"
    build(box, f"FROM {busybox}\nWORKDIR //x//y\n", "-t", "x")
    assert inspect(box, "x")["Config"]["WorkingDir"] == "/x/y"


def test_archives_keep_owners_and_modes(box: Pod, busybox: str) -> None:
    directory = context(box, f"FROM {busybox}\nADD --chown=8:9 --chmod=700 inner.tar /d/\n")
    with tarfile.open(f"{directory}/inner.tar", "w") as archive:
        entry = tarfile.TarInfo("file")
        entry.size, entry.uid, entry.gid, entry.mode = 1, 3, 4, 0o640
        archive.addfile(entry, io.BytesIO(b"x"))
    box.run("build", "--network", "none", "-t", "added", directory)
    assert run(box, "added", "stat", "-c", "%u:%g %a", "/d", "/d/file") == "8:9 755\n3:4 640"
