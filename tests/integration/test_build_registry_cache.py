"""`pod build --cache-to`, `--cache-from`: what one machine has done, another takes from a registry."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from storage.source import seconds
from tests.fakes.actions import spoiled, status
from tests.fakes.registry import FakeRegistry
from tests.fixtures.command import Pod
from tests.fixtures.registry import Registry
from tests.integration.test_build import build, inspect, run

TEXT = """\
FROM {busybox} AS tool
RUN head -c 8 /dev/urandom > /random
RUN mkdir /made && cp /random /made/file && cp /random /copy
FROM {busybox}
ENV A=1
COPY file /file
WORKDIR /work
COPY --from=tool /made /made
RUN --mount=from=tool,target=/tool cmp /tool/random /made/file && echo ran > /ran
LABEL a=b
CMD ["cat", "/ran"]
"""
FILES = {"file": "text\n"}
STEPS = 5  # that change files


@pytest.fixture
def other(box: Pod) -> Pod:
    """Another machine: the same user with a store of his own, which has the base image."""
    directory = os.path.join(box.directory, "other")
    os.mkdir(directory)
    os.chown(directory, box.user.uid, box.user.gid)
    options = [option.replace(box.directory, directory) for option in box.options]
    subprocess.run(["cp", "-a", box.root, f"{directory}/root"], check=True)
    return replace(box, directory=directory, options=options)


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        yield running


def known(text: str) -> int:
    """Return how many steps that change files were known."""
    count, steps = 0, {}
    for line in text.splitlines():
        mark = line.partition("]")[0]
        if "STEP" in line:
            steps[mark] = line
        count += "--> Using cache" in line and re.search(": (RUN|COPY|ADD) ", steps[mark]) is not None
    return count


def ran(text: str) -> int:
    """Return how many steps that change files were done."""
    return STEPS - known(text)


def layers(fake: FakeRegistry) -> dict[str, Any]:
    """Return the blobs of steps' layers in a registry, by the keys of the steps."""
    found = {}
    for (_, tag), (raw, _) in fake.manifests.items():
        if ":" not in tag:
            found[tag] = json.loads(raw)["layers"][0]["digest"]
    return found


def fetched(fake: FakeRegistry) -> list[str]:
    """Return the blobs of layers that were fetched."""
    blobs = set(layers(fake).values())
    names = [one.path.rpartition("/")[2] for one in fake.requests if one.method == "GET"]
    return [name for name in names if name in blobs]


def test_two_machines_and_a_registry(box: Pod, other: Pod, busybox: str, registry: Registry) -> None:
    cache = f"{registry.address}/cache/{box.user.uid}/two"
    text = TEXT.format(busybox=busybox)
    made = build(box, text, "--cache-to", cache, "-t", "made", files=FILES)
    assert ran(made.stdout) == STEPS
    assert made.stdout.count(f"--> Pushing cache {cache}:") >= STEPS
    taken = build(other, text, "--cache-from", cache, "-t", "taken", files=FILES)
    assert ran(taken.stdout) == 0
    assert inspect(box, "made")["Id"] == inspect(other, "taken")["Id"]
    assert run(other, "taken") == "ran"
    # What is there is not written again.
    for machine in (box, other):
        again = build(machine, text, "--cache-from", cache, "--cache-to", cache, files=FILES)
        assert (ran(again.stdout), "Pushing" in again.stdout, again.stderr) == (0, False, "")


def test_only_layers_that_are_needed_are_fetched(box: Pod, other: Pod, busybox: str, fake: FakeRegistry) -> None:
    text = TEXT.format(busybox=busybox)
    cache = f"{fake.domain}/cache"
    build(box, text, "--cache-to", cache, files=FILES)
    fake.requests.clear()
    build(other, text, "--cache-from", cache, "-t", "taken", files=FILES)
    assert len(fetched(fake)) == 3  # not those of the stage that files were taken of
    # A step that is new needs that stage as well.
    fake.requests.clear()
    more = text.replace("LABEL a=b", "RUN --mount=from=tool,target=/tool cp /tool/random /more")
    assert known(build(other, more, "--cache-from", cache, "-t", "more", files=FILES).stdout) == STEPS
    assert len(fetched(fake)) == 2
    run(other, "more", "cmp", "/more", "/made/file")


@pytest.mark.parametrize("flags", [("--cache-from",), ("--cache-to",), ("--cache-from", "--cache-to")])
def test_a_registry_that_does_not_answer(box: Pod, busybox: str, flags: tuple[str, ...]) -> None:
    text = TEXT.format(busybox=busybox)
    named = [word for flag in flags for word in (flag, "127.0.0.1:9/cache")]
    made = build(box, text, *named, "-t", "made", files=FILES)
    assert run(box, "made") == "ran"
    assert made.stderr.count("WARNING") == len(flags)
    assert "127.0.0.1:9/cache" in made.stderr


def test_a_layer_that_is_not_what_it_says(box: Pod, other: Pod, busybox: str, fake: FakeRegistry) -> None:
    text = TEXT.format(busybox=busybox)
    cache = f"{fake.domain}/cache"
    build(box, text, "--cache-to", cache, files=FILES)
    original = dict(fake.blobs)
    for digest in set(layers(fake).values()):
        fake.script(f"/blobs/{digest}", *[spoiled()] * 9)
    made = build(other, text, "--cache-from", cache, "-t", "made", files=FILES)
    assert "the build begins again without it" in made.stderr
    assert run(other, "made") == "ran"
    assert fake.blobs == original


def test_a_layer_that_is_gone_is_written_again(box: Pod, other: Pod, busybox: str, fake: FakeRegistry) -> None:
    text = TEXT.format(busybox=busybox)
    cache = f"{fake.domain}/cache"
    build(box, text, "--cache-to", cache, files=FILES)
    lost = set(layers(fake).values())
    for digest in lost:
        del fake.blobs[digest]
        fake.owners.pop(digest)
    both = ("--cache-from", cache, "--cache-to", cache)
    made = build(other, text, *both, "-t", "made", files=FILES)
    assert "the build begins again without it" in made.stderr
    assert "Pushing cache" in made.stdout
    assert run(other, "made") == "ran"
    shutil.rmtree(f"{other.directory}/context")
    assert ran(build(other, text, "--cache-from", cache, files=FILES).stdout) == 0


def test_a_step_that_is_not_there(box: Pod, other: Pod, busybox: str, fake: FakeRegistry) -> None:
    text = f"FROM {busybox}\nRUN head -c 8 /dev/urandom > /a\nRUN cp /a /b\n"
    cache = f"{fake.domain}/cache"
    build(box, text, "--cache-to", cache)
    keys = list(layers(fake))
    del fake.manifests["cache", keys[0]]
    made = build(other, text, "--cache-from", cache, "-t", "made")
    # The second step came to what it is over the first one's older result.
    assert "Using cache" not in made.stdout
    run(other, "made", "cmp", "/a", "/b")


def test_what_is_no_step(box: Pod, other: Pod, busybox: str, fake: FakeRegistry) -> None:
    text = f"FROM {busybox}\nRUN echo a > /a\nRUN echo b > /b\n"
    cache = f"{fake.domain}/cache"
    build(box, text, "--cache-to", cache)
    first, second = layers(fake)
    manifests = fake.manifests
    good = {key: manifests["cache", key] for key in (first, second)}
    document = json.loads(good[first][0])
    two = {**document, "layers": document["layers"] * 2}
    future = {**document, "annotations": {**document["annotations"], "pod.build.step.made": "1e300"}}
    for raw in (good[second][0], json.dumps(two).encode(), json.dumps(future).encode(), b"{", b"[]"):
        manifests["cache", first] = (raw, good[first][1])
        made = build(other, text, "--cache-from", cache, "-t", "made")
        assert "a step of the cache is not used" in made.stderr, raw
        assert run(other, "made", "cat", "/a", "/b") == "a\nb"
        other.run("builder", "prune", "--all", "--force")


def test_how_old_a_step_may_be(box: Pod, other: Pod, busybox: str, fake: FakeRegistry) -> None:
    text = f"FROM {busybox}\nRUN echo a > /a\n"
    cache = f"{fake.domain}/cache"
    build(box, text, "--cache-to", cache)
    (key,) = layers(fake)
    raw, kind = fake.manifests["cache", key]
    document = json.loads(raw)
    made = float(document["annotations"]["pod.build.step.made"]) - 1000
    document["annotations"]["pod.build.step.made"] = repr(made)
    fake.manifests["cache", key] = (json.dumps(document).encode(), kind)
    flags = ("--cache-from", cache)
    assert "Using cache" in build(other, text, *flags, "--cache-ttl", "1h").stdout
    other.run("builder", "prune", "--all", "--force")
    assert "Using cache" not in build(other, text, *flags, "--cache-ttl", "15m").stdout
    assert "Using cache" not in build(other, text, *flags, "--cache-ttl", "0").stdout
    assert "Using cache" not in build(other, text, *flags, "--no-cache").stdout


def test_steps_before_the_one_that_fails(box: Pod, other: Pod, busybox: str, fake: FakeRegistry) -> None:
    cache = f"{fake.domain}/cache"
    failed = build(box, f"FROM {busybox}\nRUN echo a > /a\nRUN false\n", "--cache-to", cache, check=False)
    assert failed.code == 1
    assert "Using cache" in build(other, f"FROM {busybox}\nRUN echo a > /a\n", "--cache-from", cache).stdout


def test_whom_the_policy_does_not_trust(box: Pod, other: Pod, busybox: str, fake: FakeRegistry) -> None:
    text = f"FROM {busybox}\nRUN echo a > /a\n"
    cache = f"{fake.domain}/cache"
    build(box, text, "--cache-to", cache)
    policy = f"{other.directory}/policy.json"
    with open(policy, "w") as file:
        reject = {"docker": {fake.domain: [{"type": "reject"}]}}
        json.dump({"default": [{"type": "insecureAcceptAnything"}], "transports": reject}, file)
    fake.requests.clear()
    made = build(other, text, "--cache-from", cache, "--signature-policy", policy)
    assert "Using cache" not in made.stdout
    assert f"cache {cache} is not used: Source image rejected" in made.stderr
    assert fetched(fake) == []


def test_a_registry_that_refuses(box: Pod, busybox: str, fake: FakeRegistry) -> None:
    text = f"FROM {busybox}\nRUN echo a > /a\n"
    fake.script("/manifests/", *[status(403)] * 20)
    made = build(box, text, "--cache-from", f"{fake.domain}/cache", "--cache-to", f"{fake.domain}/cache")
    assert "is not used" in made.stderr
    assert "failed pushing cache to" in made.stderr


@pytest.mark.parametrize("name", ["registry.example/cache:tag", f"registry.example/cache@sha256:{64 * '0'}", "UP//x"])
def test_names_that_are_no_repository(pod: Pod, name: str) -> None:
    for flag in ("--cache-from", "--cache-to"):
        failed = build(pod, "FROM scratch\n", flag, name, check=False)
        assert (failed.code, failed.stdout) == (125, "")
        assert f'unable to parse value provided "{name}"' in failed.stderr


def test_an_image_without_files_of_its_own_is_of_now(box: Pod, busybox: str, fake: FakeRegistry) -> None:
    text, before = f"FROM {busybox}\nLABEL a=b\n", time.time()
    for flags in (("--cache-from", f"{fake.domain}/cache"), ()):
        build(box, text, *flags, "-t", "made")
        assert seconds(inspect(box, "made")["Created"]) > before - 1


@pytest.mark.parametrize("age", ["bogus", "5", "-5s"])
def test_ages_that_are_none(pod: Pod, age: str) -> None:
    failed = build(pod, "FROM scratch\n", "--cache-ttl", age, check=False)
    assert (failed.code, failed.stdout) == (125, "")
    assert f'invalid argument "{age}" for "--cache-ttl" flag' in failed.stderr
