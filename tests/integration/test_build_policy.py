"""`build --source-policy-file`: which images a Containerfile may name, and what is taken in their place."""

from __future__ import annotations

import json
import os

import pytest

from tests.fixtures.command import Pod
from tests.integration.test_build import context, run

HUB = "docker-image://docker.io/library"


def written(pod: Pod, *rules: tuple[str, str, str] | tuple[str, str]) -> str:
    """Write a policy of rules (action, identifier, the identifier of updates); return the flag that names it."""
    documents = []
    for action, identifier, *target in rules:
        updates = {"updates": {"identifier": target[0]}} if target else {}
        documents.append({"action": action, "selector": {"identifier": identifier}, **updates})
    path = f"{pod.directory}/policy.json"
    with open(path, "w") as file:
        json.dump({"rules": documents}, file)
    return f"--source-policy-file={path}"


@pytest.mark.parametrize(
    "text",
    [
        "FROM {image}\nRUN true\n",
        "FROM scratch\nCOPY --from={image} /bin/busybox /\n",
        "FROM localhost/base AS stage\nFROM stage\nRUN --mount=type=bind,from={image},target=/x true\n",
        "ARG NAME={image}\nFROM $NAME\n",
        "FROM there\n",
    ],
)
def test_images_that_are_denied(box: Pod, busybox: str, text: str) -> None:
    box.run("tag", busybox, "localhost/base")
    flag = written(box, ("ALLOW", "docker-image://localhost/*"), ("DENY", f"docker-image://{busybox}"))
    flags = ("--network", "none", "--build-context", f"there=docker-image://{busybox}")
    directory = context(box, text.format(image=busybox))
    failed = box.run("build", *flags, flag, directory, check=False)
    assert failed.code == 125
    told = f'source "{busybox}" denied by source policy: matched rule 1 (selector: "docker-image://{busybox}")'
    assert told in failed.stderr
    box.run("build", *flags, directory)


def test_only_images_are_judged(box: Pod, busybox: str) -> None:
    flag = written(box, ("ALLOW", f"docker-image://{busybox}"), ("DENY", "*"))
    text = f"FROM {busybox} AS one\nFROM one AS two\nFROM scratch\nCOPY --from=two /bin/busybox /\nCOPY file /\n"
    directory = context(box, text)
    with open(os.path.join(directory, "file"), "w"):
        pass
    box.run("build", flag, directory)


def test_images_that_others_take_the_place_of(box: Pod, busybox: str) -> None:
    box.run(
        "build", "--network", "none", "-t", "localhost/other", context(box, f"FROM {busybox}\nRUN echo other > /x\n")
    )
    text = "FROM docker.io/library/none\nRUN cat /x > /said || echo none > /said\nCOPY --from=none /x /copied\n"
    box.run("tag", busybox, "docker.io/library/none")
    box.run("build", "--network", "none", "-t", "said", context(box, text.partition("COPY")[0]))
    assert run(box, "said", "cat", "/said") == "none"
    flag = written(box, ("CONVERT", f"{HUB}/none:latest", "docker-image://localhost/other"))
    box.run("build", "--network", "none", flag, "-t", "said", context(box, text))
    assert run(box, "said", "cat", "/said", "/copied").split() == ["other", "other"]
    shown = box.run(
        "image", "inspect", "--format", '{{index .Annotations "org.opencontainers.image.base.name"}}', "said"
    )
    assert shown.out == "localhost/other:latest"


def test_files_that_are_no_policy(box: Pod, busybox: str) -> None:
    directory = context(box, f"FROM {busybox}\n")
    failed = box.run("build", "--source-policy-file", "/none.json", directory, check=False)
    told = 'reading source policy file "/none.json": open /none.json: no such file or directory'
    assert failed.stderr.splitlines()[0] == f"Error: loading source policy: {told}"
    assert failed.code == 125
    failed = box.run("build", written(box, ("CONVERT", "x")), directory, check=False)
    told = "validating source policy: rule 0: updates.identifier is required for CONVERT action"
    assert failed.stderr.splitlines()[0] == f"Error: loading source policy: {told}"
