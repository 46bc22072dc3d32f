"""`image tree`, `image mount` and `image unmount`."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest

from tests.fixtures import images
from tests.fixtures.command import Pod
from tests.fixtures.registry import Registry


@pytest.fixture
def child(box: Pod, registry: Registry) -> str:
    """An image with one layer more than busybox, by the one name that it has."""
    extra = images.layer(images.entry("extra", b"more"))
    reference = registry.push("child", "1", images.busybox(extra))
    box.run("pull", "-q", reference)
    return reference


def test_tree(box: Pod, busybox: str, child: str) -> None:
    lines = box.run("image", "tree", child).out.splitlines()
    image = json.loads(box.run("image", "inspect", child).out)[0]
    assert lines[:2] == [f"Image ID: {image['Id'][:12]}", f"Tags:     [{child}]"]
    assert lines[3] == "Image Layers"
    assert lines[4].startswith(f"├── ID: {image['RootFS']['Layers'][0][7:19]} Size: ")
    assert busybox in lines[4]
    assert lines[5].startswith("└── ID: ")
    assert lines[5].endswith(f"Top Layer of: [{child}]")
    above = box.run("image", "tree", "--whatrequires", busybox).out
    assert f"Top Layer of: [{child}]" in above


def inside(pod: Pod, script: str) -> str:
    """Run a script where mounts last: for a user within `pod unshare`; POD stands for the command."""
    text = script.replace("POD", " ".join(pod.argv()))
    if pod.rootless:
        return pod.run("unshare", "sh", "-ec", text).out
    return pod.execute(["sh", "-ec", text]).out


def test_mount(box: Pod, busybox: str, child: str) -> None:
    script = (
        f"d=$(POD image mount {child}); echo $d; cat $d/extra; echo; touch $d/new 2>/dev/null && echo written;"
        f" POD image mount; POD image mount --format json; POD rmi {child} 2>&1 || true;"
        f" POD image mount --all; POD image unmount --force {child}; POD image unmount --all; POD image mount"
    )
    told = inside(box, script)
    first, content, *rest = told.splitlines()
    image = box.run("image", "inspect", "--format", "{{.Id}}", child).out
    assert first.endswith(f"/images/{image}/merged")
    assert content == "more"
    assert "written" not in told
    assert f'"mountpoint": "{first}"' in told
    assert f"image {image} is mounted" in told
    assert any(line.split() == [child, first] for line in rest)
    assert any(line.split()[:1] == [busybox] for line in rest)
    assert rest[-2:].count(image) == 1 or image in rest
    assert not os.path.exists(os.path.dirname(first))


def test_a_reset_unmounts(pod: Pod, busybox: str) -> None:
    pod.run("pull", "-q", busybox)
    inside(pod, f"POD image mount {busybox}; POD system reset --force")
    assert not os.path.exists(os.path.join(pod.runroot, "images"))
    with open("/proc/self/mounts") as file:
        assert pod.runroot not in file.read()


def test_a_reset_leaves_what_another_store_has_mounted_alone(box: Pod, busybox: str, child: str) -> None:
    """It shares the runroot with a store of which --root alone was said."""
    other = replace(box, options=["--root", f"{box.directory}/other", "--runroot", box.runroot])
    words = " ".join(other.argv())
    script = f"POD image mount {child}; {words} pull -q {busybox}; {words} system reset --force; POD image mount"
    told = inside(box, f"{script}; POD image unmount --all > /dev/null").splitlines()
    assert told[-1].split() == [child, told[0]]


def test_what_image_mount_refuses(box: Pod) -> None:
    for arguments in (["mount", "--all", "x"], ["unmount", "--all", "x"], ["unmount"], ["mount", "--format", "x"]):
        assert box.run("image", *arguments, check=False).code == 125
