"""Lists of manifests where an image is asked for: they stand for their image for this machine, as with podman."""

from __future__ import annotations

import json

import pytest

from tests.fixtures import images
from tests.fixtures.command import Pod
from tests.fixtures.registry import Registry


@pytest.fixture
def many(box: Pod, busybox: str) -> Pod:
    """A list with the image, one for another machine alone, and one with nothing."""
    for name in ("many", "foreign", "empty"):
        box.run("manifest", "create", name)
    box.run("manifest", "add", "many", busybox)
    box.run("manifest", "add", "--arch", "mips64", "foreign", busybox)
    return box


def listed(pod: Pod, *arguments: str) -> list[str]:
    return sorted(pod.run("images", "--format", "{{.Repository}}", *arguments).out.split())


def test_commands_on_images_take_its_image(many: Pod, busybox: str) -> None:
    image = many.run("images", "-q", "--no-trunc", busybox).out.removeprefix("sha256:")
    assert many.run("inspect", "--format", "{{.Id}}", "many").out == image
    assert many.run("image", "inspect", "--format", "{{.Id}}", "many").out == image
    assert json.loads(many.run("inspect", "--type", "image", "many").out)[0]["RepoTags"] == [busybox]
    assert many.run("history", "many").out == many.run("history", busybox).out
    assert many.run("run", "--rm", "many", "echo", "ran").out == "ran"
    many.run("create", "--name", "made", "many")
    assert many.run("inspect", "--format", "{{.ImageName}} {{.Image}}", "made").out == f"localhost/many:latest {image}"
    many.run("rm", "made")


def test_a_list_without_one(many: Pod) -> None:
    assert [many.run("image", "exists", name, check=False).code for name in ("many", "empty", "foreign")] == [0, 1, 1]
    refused = many.run("inspect", "foreign", check=False)
    assert (refused.code, refused.out) == (125, "[]")
    assert refused.stderr == (
        'Error: inspecting object: no such object: "foreign"\n'
        "hint: it is a manifest list without an image for this machine in the store; see pod manifest inspect foreign\n"
    )
    refused = many.run("image", "inspect", "empty", check=False)
    assert refused.code == 125
    assert "no image found in image index for architecture" in refused.stderr
    refused = many.run("run", "--pull=never", "foreign", check=False)
    assert refused.code == 125
    assert "no image found in image index for architecture" in refused.stderr


def test_the_list_that_an_image_was_pulled_from_is_shown(pod: Pod, registry: Registry) -> None:
    found = {"linux/amd64": images.busybox(), "linux/arm64": images.busybox(Cmd=["other"])}
    name = registry.push_index("of-many", "1", found)
    image = pod.run("pull", "-q", "--arch", "arm64", name).out
    assert len(json.loads(pod.run("manifest", "inspect", name).out)["manifests"]) == 2
    refused = pod.run("manifest", "inspect", image, check=False)
    assert (refused.code, refused.stdout) == (125, "")
    assert "image is not a manifest list" in refused.stderr


def test_filters(many: Pod, busybox: str) -> None:
    repository = busybox.rpartition(":")[0]
    ours = ["localhost/empty", "localhost/foreign", "localhost/many"]
    assert listed(many, "--filter", "manifest=true") == ours
    assert listed(many, "--filter", "manifest=false") == [repository]
    assert listed(many, "--filter", "reference=ma*") == ["localhost/many"]
    assert listed(many, "--filter", "dangling=false") == sorted([*ours, repository])
    assert listed(many, "--filter", "dangling=true") == []
    assert listed(many, "--filter", f"since={busybox}") == ours
    assert listed(many, "--filter", "before=many") == []
    assert listed(many, "--filter", "containers=true") == []
    assert listed(many, "--filter", "label=a") == []
    assert listed(many, "--filter", "label!=a") == sorted([*ours, repository])
    list_id = many.run("images", "--format", "{{.Id}}", "many").out
    assert listed(many, "--filter", f"id={list_id[:12]}") == listed(many, list_id[:12]) == ["localhost/many"]


def test_names_come_and_go(many: Pod, busybox: str) -> None:
    list_id = many.run("images", "--format", "{{.Id}}", "many").out
    many.run("tag", "many", "more", "most")
    assert many.run("rmi", "more").out == "Untagged: localhost/more:latest"
    assert many.run("manifest", "rm", "most").out == "Untagged: localhost/most:latest"
    many.run("tag", "many", "more")
    refused = many.run("rmi", list_id[:12], check=False)
    assert refused.code == 125
    assert f"unable to delete image {list_id} by ID with more than one tag" in refused.stderr
    many.run("untag", "many", "more")
    many.run("untag", "many")
    assert many.run("image", "exists", busybox).code == 0
    assert many.run("image", "prune", "-f").out == list_id
    assert many.run("rmi", "foreign").out.splitlines()[0] == "Untagged: localhost/foreign:latest"
    pruned = many.run("image", "prune", "--all", "-f").out.split()
    assert len(pruned) == 2
    assert many.run("images", "-q").out == ""
