"""Images that are equal bit for bit: built in two stores, at two moments, of contexts of other times."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.fixtures.command import Pod
from tests.integration.test_build import build, context, inspect, run

EPOCH = 1_600_000_000
FILES = {"a/z": "z", "a/b": "b", "c": "c\n" * 999, "old": "old"}


def containerfile(busybox: str) -> str:
    return f"""\
FROM {busybox} AS first
ARG SOURCE_DATE_EPOCH
RUN mkdir -p /made/d && echo "$SOURCE_DATE_EPOCH" > /made/d/epoch && ln /made/d/epoch /made/link \
 && hostname > /made/h && cp /etc/hosts /made/hosts
FROM {busybox}
COPY . /context/
COPY --from=first /made /made
WORKDIR /work/below
RUN rm /bin/vi && rm -r /context/a && mkdir /context/a && touch /context/a/new && mkfifo /fifo
ENV A=b
LABEL c=d
CMD ["sh"]
"""


@pytest.fixture
def other(box: Pod, busybox: str) -> Iterator[Pod]:
    """A second store of the same user, with the same small image, and its own directory of contexts."""
    directory = os.path.join(box.directory, "other")
    os.mkdir(directory)
    os.chown(directory, box.user.uid, box.user.gid)
    options = [f"{directory}/{word.rpartition('/')[2]}" if word.startswith("/") else word for word in box.options]
    assert options != box.options
    shutil.copytree(f"{box.home}", f"{directory}/home", symlinks=True, ignore=shutil.ignore_patterns("*"))
    second = replace(box, directory=directory, options=options)
    second.run("pull", "--quiet", busybox)
    yield second
    second.remove_containers()


def blobs(pod: Pod, image: str) -> tuple[dict[str, Any], dict[str, Any], list[tarfile.TarInfo]]:
    """Return manifest, config and the entries of the uppermost layer of a saved image."""
    directory = os.path.join(pod.directory, f"saved-{image}")
    pod.run("save", "--quiet", "--format", "oci-dir", "-o", directory, image)

    def path(digest: str) -> str:
        return os.path.join(directory, "blobs", *digest.split(":"))

    def document(digest: str) -> dict[str, Any]:
        with open(path(digest)) as file:
            found: dict[str, Any] = json.load(file)
        return found

    with open(f"{directory}/index.json") as file:
        index = json.load(file)
    manifest = document(index["manifests"][0]["digest"])
    with tarfile.open(path(manifest["layers"][-1]["digest"])) as archive:
        entries = archive.getmembers()
    return {**manifest, "digest": index["manifests"][0]["digest"]}, document(manifest["config"]["digest"]), entries


def touched(pod: Pod, text: str, seconds: int) -> str:
    """Make a context whose files have a time, but for an old one."""
    directory = context(pod, text, FILES)
    for parent, directories, files in os.walk(directory):
        for name in (*directories, *files):
            moment = 1000 if name == "old" else seconds
            os.utime(os.path.join(parent, name), (moment, moment))
    return directory


@pytest.mark.parametrize(
    "flags",
    [
        ("--timestamp", str(EPOCH)),
        ("--source-date-epoch", str(EPOCH), "--rewrite-timestamp"),
        ("--timestamp", str(EPOCH), "--squash", "--format", "docker"),
        ("--timestamp", str(EPOCH), "--squash-all"),
        ("--source-date-epoch", str(EPOCH), "--rewrite-timestamp", "--layers=false"),
    ],
    ids=["timestamp", "epoch", "squash", "squash-all", "no-layers"],
)
def test_two_stores(box: Pod, other: Pod, busybox: str, flags: tuple[str, ...]) -> None:
    found = []
    for pod, seconds in ((box, EPOCH + 5000), (other, EPOCH + 70000)):
        directory = touched(pod, containerfile(busybox), seconds)
        pod.run("build", "--network", "none", *flags, "-t", "made", directory)
        manifest, config, entries = blobs(pod, "made")
        found.append((inspect(pod, "made")["Id"], manifest, config))
        assert config["created"] == "2020-09-13T12:26:40Z"
        base = len(inspect(pod, busybox)["History"]) if "--squash-all" not in flags else 0
        assert {entry["created"] for entry in config["history"][base:]} == {"2020-09-13T12:26:40Z"}
        assert entries
        if "--timestamp" in flags:
            assert {entry.mtime for entry in entries} == {EPOCH}
        else:
            assert max(entry.mtime for entry in entries) == EPOCH
        said = "" if "--timestamp" in flags else str(EPOCH)
        assert run(pod, "made", "cat", "/made/d/epoch", "/made/h") == f"{said}\nsandbox".strip()
        old = EPOCH if "--timestamp" in flags else 1000
        assert run(pod, "made", "stat", "-c", "%Y", "/context/old") == str(old)
        assert pod.run("system", "check").code == 0
        time.sleep(1.1)  # the clock of files' times, in whole seconds, has to go on
    assert found[0] == found[1]


def test_the_epoch_alone_is_not_of_files(box: Pod, busybox: str) -> None:
    """The variable counts as the flag; layers of builds with other epochs are taken from the cache."""
    text = f"FROM {busybox}\nCOPY c /c\nRUN echo ran > /ran\n"
    before = int(time.time())
    directory = context(box, text, FILES)
    box.run("build", "--network", "none", "-t", "one", directory, env={"SOURCE_DATE_EPOCH": str(EPOCH)})
    _, config, entries = blobs(box, "one")
    assert config["created"] == "2020-09-13T12:26:40Z"
    assert max(entry.mtime for entry in entries) >= before
    second = box.run("build", "--network", "none", "-t", "two", "--build-arg", "SOURCE_DATE_EPOCH=7", directory)
    assert second.stdout.count("Using cache") == 2
    assert inspect(box, "two")["Created"] == "1970-01-01T00:00:07Z"
    assert inspect(box, "two")["RootFS"] == inspect(box, "one")["RootFS"]


def test_results_of_other_times_are_not_taken(box: Pod, busybox: str) -> None:
    text = f"FROM {busybox}\nRUN echo ran > /ran\n"
    for seconds in (5, 6):
        assert "Using cache" not in build(box, text, "--timestamp", str(seconds), "-t", "made").stdout
        assert run(box, "made", "stat", "-c", "%Y", "/ran") == str(seconds)
    assert "Using cache" in build(box, text, "--timestamp", "5").stdout
    assert "Using cache" not in build(box, text).stdout


def test_what_makes_no_sense(box: Pod, busybox: str) -> None:
    text = f"FROM {busybox}\n"
    failed = build(box, text, "--timestamp", "yesterday", check=False)
    assert failed.stderr.startswith('Error: invalid value "yesterday" for --timestamp\n')
    assert failed.code == 125
    failed = build(box, text, "--timestamp", "1", "--source-date-epoch", "2", check=False)
    assert "ambiguous" in failed.stderr
    made = build(box, text, "--timestamp", "1", "--uts", "host", "-t", "made")
    assert made.code == 0
    assert inspect(box, "made")["Created"] == "1970-01-01T00:00:01Z"
