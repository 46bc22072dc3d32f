"""`pod build` for other platforms, and for several: what is the same for all, what differs, and the list of them."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from tests.fixtures.command import Pod, Result
from tests.fixtures.images import ARCHITECTURE
from tests.fixtures.monitor import eventually
from tests.fixtures.registry import Registry
from tests.integration.test_build import context, inspect

SCRATCH = "FROM scratch\nARG TARGETPLATFORM TARGETARCH\nCOPY file /file\nLABEL on=$TARGETPLATFORM arch=$TARGETARCH\n"
FILES = {"file": "the file\n"}
BOTH = "linux/amd64,linux/arm64"


def build(pod: Pod, text: str, *flags: str, files: dict[str, str] | None = None, check: bool = True) -> Result:
    directory = context(pod, text, {**FILES, **(files or {})})
    return pod.run("build", "--network", "none", *flags, directory, check=check)


def members(pod: Pod, name: str) -> list[dict[str, Any]]:
    """Return the platforms of a list's members."""
    found = json.loads(pod.run("manifest", "inspect", name).stdout)
    return [one["platform"] for one in found["manifests"]]


def linux(architecture: str, variant: str = "") -> dict[str, str]:
    return {"architecture": architecture, "os": "linux", **({"variant": variant} if variant else {})}


def test_one_other_platform(pod: Pod) -> None:
    flags = ("--platform", "linux/arm/v7", "--os-version", "10.0.1", "--os-feature", "win32k", "-t", "other")
    image = build(pod, SCRATCH, *flags).stdout.splitlines()[-1]
    found = inspect(pod, "other")
    assert (found["Id"], found["Architecture"], found["Os"]) == (image, "arm", "linux")
    assert found["Config"]["Labels"] == {"on": "linux/arm/v7", "arch": "arm"}
    pod.run("save", "--format", "oci-dir", "-o", f"{pod.directory}/saved", "other")
    config = _config(f"{pod.directory}/saved")
    assert (config["variant"], config["os.version"], config["os.features"]) == ("v7", "10.0.1", ["win32k"])
    build(pod, "FROM localhost/other\nCOPY file /more\n", "--platform", "linux/arm/v7", "-t", "next")
    above = inspect(pod, "next")
    assert above["Architecture"] == "arm"
    # What the base says stays, and a feature goes whose name ends with a dash.
    build(pod, "FROM localhost/other\nCOPY file /more\n", "--os-feature", "win32k-", "--arch", "arm", "-t", "less")
    pod.run("save", "--format", "oci-dir", "-o", f"{pod.directory}/less", "less")
    config = _config(f"{pod.directory}/less")
    assert (config["os.version"], "os.features" in config) == ("10.0.1", False)


def _config(layout: str) -> Any:
    def blob(digest: str) -> Any:
        with open(os.path.join(layout, "blobs", *digest.split(":"))) as file:
            return json.load(file)

    with open(f"{layout}/index.json") as file:
        return blob(blob(json.load(file)["manifests"][0]["digest"])["config"]["digest"])


def test_several_platforms_and_their_list(pod: Pod) -> None:
    flags = ("--platform", BOTH, "--platform", "linux/arm64", "--iidfile", f"{pod.directory}/iid")
    made = build(pod, SCRATCH, *flags, "-t", "both", "-t", "again")
    lines = made.stdout.splitlines()
    assert lines[0] == "[linux/amd64] STEP 1/4: FROM scratch"
    assert "[linux/arm64] COMMIT" in lines
    assert lines[-3:-1] == ["Successfully tagged localhost/both:latest", "Successfully tagged localhost/again:latest"]
    with open(f"{pod.directory}/iid") as file:
        assert file.read() == f"sha256:{lines[-1]}"
    assert members(pod, "both") == members(pod, "again") == [linux("amd64"), linux("arm64")]
    # What is the same has been done once: both have the layer of the first.
    assert lines.count("--> Using cache") == 0
    assert sum(line.startswith("--> Using cache") for line in lines) == 2  # of ARG and COPY
    # The name now is that of an image, then once more that of a list.
    build(pod, SCRATCH, "-t", "both")
    assert inspect(pod, "both")["Config"]["Labels"]["arch"] == "amd64"
    build(pod, SCRATCH, "--platform", BOTH, "-t", "both")
    assert len(members(pod, "both")) == 2


def test_an_image_is_added_to_a_list(pod: Pod) -> None:
    first = build(pod, SCRATCH, "--platform", "linux/amd64", "--manifest", "list", "-t", "one")
    assert members(pod, "list") == [linux("amd64")]
    second = build(pod, SCRATCH, "--platform", "linux/s390x,linux/arm/v6", "--manifest", "list", "-q")
    assert members(pod, "list") == [linux("amd64"), linux("s390x"), linux("arm", "v6")]
    assert second.out == first.stdout.splitlines()[-1]
    assert inspect(pod, "one")["Architecture"] == "amd64"
    refused = build(pod, SCRATCH, "--manifest", "one", check=False)
    assert (refused.code, refused.stdout) == (125, "")
    assert "localhost/one:latest: image is not a manifest list" in refused.stderr
    refused = build(pod, SCRATCH, "--manifest", "same", "-t", "same", check=False)
    assert "the same name must not be specified for both" in refused.stderr


def test_what_fails_for_one_platform_leaves_no_list(pod: Pod) -> None:
    text = "FROM scratch AS amd64\nCOPY file /\nFROM scratch AS arm64\nCOPY missing /\nFROM $TARGETARCH\n"
    failed = build(pod, f"ARG TARGETARCH\n{text}", "--platform", BOTH, "-t", "half", "--manifest", "half2", check=False)
    assert failed.code == 125
    assert "missing" in failed.stderr
    assert pod.run("manifest", "exists", "half2", check=False).code == 1
    assert pod.run("image", "exists", "half", check=False).code == 1


def test_a_stage_of_the_machine_is_made_once(box: Pod, busybox: str) -> None:
    text = f"""\
FROM --platform=$BUILDPLATFORM {busybox} AS tool
RUN head -c 8 /dev/urandom > /made
FROM --platform=$BUILDPLATFORM {busybox} AS each
ARG TARGETARCH BUILDPLATFORM
RUN echo $TARGETARCH $BUILDPLATFORM > /seen
FROM scratch
COPY --from=tool /made /
COPY --from=each /seen /
"""
    build(box, text, "--platform", BOTH, "-t", "multi")
    made, seen = set(), []
    for one in json.loads(box.run("manifest", "inspect", "multi").stdout)["manifests"]:
        box.run("save", "--format", "oci-dir", "-o", f"{box.directory}/{one['digest'][7:15]}", one["digest"])
        layers = _config(f"{box.directory}/{one['digest'][7:15]}")["rootfs"]["diff_ids"]
        made.add(layers[0])
        seen.append(layers[1])
    assert len(made) == 1
    assert len(set(seen)) == 2


def test_the_bases_of_a_list(pod: Pod) -> None:
    build(pod, SCRATCH, "--platform", "linux/s390x,linux/amd64", "-t", "localhost/base")
    text = "FROM scratch AS unused\nFROM localhost/base\nCOPY file /more\n"
    build(pod, text, "--all-platforms", "--manifest", "all")
    assert members(pod, "all") == [linux("s390x"), linux("amd64")]
    nothing = build(pod, "FROM scratch\nCOPY file /\n", "--all-platforms", check=False)
    assert "build uses no non-scratch base images" in nothing.stderr
    failed = build(pod, text, "--platform", "linux/arm64", check=False).stderr
    assert 'no image found in image index for architecture arm64, variant "", OS linux' in failed
    assert "linux/s390x" in failed


def test_a_base_for_another_machine(box: Pod, busybox: str) -> None:
    with open("/bin/busybox", "rb") as file:
        program = bytearray(file.read())
    program[18] = 0xB7 if program[18] != 0xB7 else 0x3E  # e_machine: aarch64, or x86-64
    directory = context(box, "FROM scratch\nCOPY sh /bin/sh\n")
    with open(f"{directory}/sh", "wb") as copy:
        copy.write(program)
    os.chmod(f"{directory}/sh", 0o755)
    box.run("build", "--platform", "linux/s390x", "-t", "foreign", directory)
    failed = build(box, "FROM localhost/foreign\nRUN true\n", "--platform", "linux/s390x", check=False)
    assert failed.code == 126
    assert "exec `/bin/sh`: exec format error" in failed.stderr
    assert "the image is for linux/s390x, this machine is linux/" in failed.stderr
    assert "qemu-user-static" in failed.stderr
    # Of a machine's own image, what is wrong with the program is said.
    text = f'FROM {busybox}\nCOPY sh /sh\nRUN ["/sh"]\n'
    failed = build(box, text, check=False)
    assert "is the image for another architecture (qemu-user-static" in failed.stderr
    warned = build(box, "FROM localhost/foreign\nCOPY file /file\n").stderr
    assert "image platform (linux/s390x) does not match the expected platform (linux/" in warned


@pytest.mark.parametrize("platform", ["linux//arm", "a/b/c/d", "linux/amd64,lin ux"])
def test_platforms_that_are_none(pod: Pod, platform: str) -> None:
    failed = build(pod, SCRATCH, "--platform", platform, check=False)
    assert (failed.code, failed.stdout) == (125, "")
    assert "invalid platform" in failed.stderr


def test_the_bases_of_a_registry(pod: Pod, registry: Registry) -> None:
    name = f"{registry.address}/bases/{pod.user.uid}:1"
    build(pod, SCRATCH, "--platform", "linux/s390x,linux/amd64,linux/arm/v7", "-t", "base")
    pod.run("manifest", "push", "--all", "base", f"docker://{name}")
    pod.run("rmi", "--force", "base")
    pod.run("image", "prune", "--all", "--force")
    text = f"FROM {name}\nARG TARGETARCH\nCOPY file /more\nLABEL built=$TARGETARCH\n"
    build(pod, text, "--all-platforms", "--manifest", "all")
    assert members(pod, "all") == [linux("s390x"), linux("amd64"), linux("arm", "v7")]
    build(pod, text, "--platform", "linux/arm/v7", "-t", "one")
    labels = inspect(pod, "one")["Config"]["Labels"]
    assert labels == {"on": "linux/arm/v7", "arch": "arm", "built": "arm"}
    failed = build(pod, text, "--platform", "linux/arm64", check=False)
    assert failed.code == 125
    assert "no image found in image index for architecture arm64" in failed.stderr


def test_the_machine_itself(pod: Pod) -> None:
    for text in ("local", "", "local,"):
        build(pod, SCRATCH, "--platform", text, "-t", "here")
        assert inspect(pod, "here")["Architecture"] == ARCHITECTURE


def test_images_of_a_list_that_has_a_name_stay(pod: Pod) -> None:
    build(pod, SCRATCH, "--platform", BOTH, "-t", "both")
    assert pod.run("image", "prune", "--force").out == ""
    pod.run("save", "--format", "oci-dir", "-o", f"{pod.directory}/saved", "both")
    pod.run("rmi", "both")
    assert len(pod.run("image", "prune", "--force").out.split()) == 2


def test_images_stay_until_the_list_has_them(box: Pod, busybox: str) -> None:
    waiting = f"{box.directory}/waiting"
    os.mkdir(waiting)
    os.chown(waiting, box.user.uid, box.user.gid)
    wait = "echo here > /w/$TARGETARCH; while [ $TARGETARCH = arm64 ] && [ ! -e /w/go ]; do sleep 0.05; done"
    text = f"FROM --platform=$BUILDPLATFORM {busybox}\nARG TARGETARCH\nRUN {wait}\n"
    flags = ("--network", "none", "--platform", BOTH, "--volume", f"{waiting}:/w", "-t", "both")
    going = box.start("build", *flags, context(box, text))
    eventually(lambda: os.path.exists(f"{waiting}/arm64"))
    box.run("image", "prune", "--force")
    with open(f"{waiting}/go", "w"):
        pass
    going.communicate(timeout=60)
    assert going.returncode == 0
    assert len(members(box, "both")) == 2
    for one in json.loads(box.run("manifest", "inspect", "both").stdout)["manifests"]:
        box.run("image", "exists", one["digest"])


def test_mistakes_are_told_before_anything_is_built(pod: Pod) -> None:
    failed = build(pod, SCRATCH, "--platform", BOTH, "-t", "Bad Name", check=False)
    assert (failed.code, failed.stdout) == (125, "")


def test_a_list_by_its_id_gets_no_name(pod: Pod) -> None:
    list_id = pod.run("manifest", "create", "mine").out
    build(pod, SCRATCH, "--manifest", list_id[:12], "--os-feature", "")
    assert len(members(pod, "mine")) == 1
    names = pod.run("images", "--format", "{{.Repository}}", "--noheading").out.split()
    assert sorted(names) == ["<none>", "localhost/mine"]


def test_bases_that_contexts_and_transports_name(pod: Pod) -> None:
    build(pod, SCRATCH, "--platform", "linux/s390x", "-t", "base")
    text = "FROM mybase\nCOPY file /more\n"
    flags = ("--build-context", "mybase=docker-image://localhost/base", "--all-platforms", "--manifest")
    build(pod, text, *flags, "first")
    assert members(pod, "first") == [linux("s390x")]
    pod.run("save", "--format", "oci-dir", "-o", f"{pod.directory}/saved", "base")
    build(pod, f"FROM oci:{pod.directory}/saved\nCOPY file /more\n", "--all-platforms", "--manifest", "second")
    assert members(pod, "second") == [linux("s390x")]


def test_platforms_that_are_the_same(pod: Pod) -> None:
    build(pod, SCRATCH, "--platform", "linux/arm64,linux/arm,linux/arm64/v8,linux/aarch64,linux/arm/v7", "-t", "two")
    assert members(pod, "two") == [linux("arm64"), linux("arm")]
