"""What images say of themselves by flags of `build`, and what files tell of them."""

from __future__ import annotations

import json
import os

import pytest

from tests.fixtures.command import Pod, Result
from tests.integration.test_build import context, inspect

CREATED = "org.opencontainers.image.created"


def build(box: Pod, containerfile: str, *flags: str, check: bool = True) -> Result:
    return box.run("build", "--network", "none", *flags, context(box, containerfile), check=check)


def read(path: str) -> str:
    with open(path) as file:
        return file.read()


def test_labels(box: Pod, busybox: str) -> None:
    build(box, f"FROM {busybox}\nLABEL a=1 b=2\n", "--annotation", "n=1", "-t", "below")
    text = "FROM below AS first\nLABEL c=3\nFROM first\nLABEL d=4\nCMD x\n"
    assert inspect(box, "below")["Config"]["Labels"] == {"a": "1", "b": "2"}
    build(box, text, "--layer-label", "l=5", "--label", "e=6", "--unsetlabel", "b", "-t", "made")
    assert inspect(box, "made")["Config"]["Labels"] == {"a": "1", "c": "3", "d": "4", "e": "6", "l": "5"}
    build(box, text, "--inherit-labels=false", "--identity-label", "-t", "made")
    labels = inspect(box, "made")["Config"]["Labels"]
    assert labels.pop("io.pod.version")
    assert labels == {"d": "4"}


def test_annotations(box: Pod, busybox: str) -> None:
    build(box, f"FROM {busybox}\nCMD x\n", "--annotation", "n=1", "--timestamp", "5", "-t", "below")
    text = "FROM below\nCMD y\n"
    build(box, text, "--timestamp", "5", "-t", "made")
    found = inspect(box, "made")["Annotations"]
    assert found["n"] == "1"
    assert found[CREATED] == "1970-01-01T00:00:05Z"
    assert found["org.opencontainers.image.base.name"] == "localhost/below:latest"
    assert found["org.opencontainers.image.base.digest"] == inspect(box, "below")["Digest"]
    build(box, text, "--unsetannotation", "n", "--created-annotation=false", "-t", "other")
    assert not {"n", CREATED} & set(inspect(box, "other")["Annotations"])
    build(box, text, "--inherit-annotations=false", "--created-annotation=false", "-t", "other")
    assert not inspect(box, "other")["Annotations"]
    assert inspect(box, "made")["Annotations"] == found
    build(box, text, "--format", "docker", "--annotation", "n=2", "-t", "docker")
    assert not inspect(box, "docker")["Annotations"]


def test_no_history(box: Pod, busybox: str) -> None:
    build(box, f"FROM {busybox}\nRUN echo > /x\n", "--omit-history", "-t", "made")
    assert not inspect(box, "made")["History"]
    assert box.run("history", "-q", "made").code == 0
    build(box, "FROM made\nRUN echo > /y\n", "-t", "above")
    assert not inspect(box, "above")["History"]
    assert box.run("run", "--rm", "--network", "none", "above", "ls", "/x", "/y").code == 0


def test_stages_that_are_kept(box: Pod, busybox: str) -> None:
    text = f"FROM {busybox} AS first\nENV a=b\nFROM first\nENV c=d\n"
    before = len(box.run("images", "-q", "--all").out.split())
    made = build(box, text, "--save-stages", "--stage-labels", "-t", "made").stdout.splitlines()[-1]
    images = box.run("images", "-q", "--no-trunc", "--filter", "label=io.buildah.stage.name=first").out.split()
    [first] = [one.removeprefix("sha256:") for one in images]
    assert len(box.run("images", "-q", "--all").out.split()) == before + 2
    assert inspect(box, first)["Config"]["Labels"] == {
        "io.buildah.stage.name": "first",
        "io.buildah.stage.base": busybox,
    }
    assert inspect(box, made)["Config"]["Labels"] == {"io.buildah.stage.name": "1", "io.buildah.stage.base": first}
    failed = build(box, text, "--stage-labels", check=False)
    assert failed.stderr.startswith('Error: "--stage-labels" requires "--save-stages"')


def test_files_that_tell(box: Pod, busybox: str) -> None:
    names = {name: f"{box.home}/{name}" for name in ("iid", "raw", "meta", "log")}
    flags = ("--iidfile", names["iid"], "--iidfile-raw", names["raw"], "--metadata-file", names["meta"])
    made = build(
        box, f"FROM {busybox}\nRUN echo said; echo told >&2\n", *flags, "--logfile", names["log"], "-t", "made"
    )
    assert (made.stdout, made.stderr) == ("", "")
    identity = read(names["raw"])
    assert read(names["iid"]) == f"sha256:{identity}"
    assert inspect(box, "made")["Id"] == identity
    told = json.loads(read(names["meta"]))
    assert told["containerimage.config.digest"] == f"sha256:{identity}"
    assert told["containerimage.digest"] == inspect(box, "made")["Digest"]
    assert told["containerimage.descriptor"]["digest"] == told["containerimage.digest"]
    assert told["containerimage.descriptor"]["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert told["image.name"] == "localhost/made:latest"
    log = read(names["log"])
    for line in (f"STEP 1/2: FROM {busybox}", "said", "told", "COMMIT made", identity):
        assert f"{line}\n" in log
    assert build(box, f"FROM {busybox}\n", "--raw-iidfile", f"{box.home}/x/y", check=False).code == 125


def test_files_and_several_platforms(box: Pod) -> None:
    flags = ("--platform", "linux/amd64,linux/arm64", "--logfile", f"{box.home}/log", "--logsplit", "-t", "made")
    assert build(box, "FROM scratch\nENV a=b\n", *flags).stdout == ""
    assert sorted(name for name in os.listdir(box.home) if name.startswith("log")) == [
        "log_linux_amd64",
        "log_linux_arm64",
    ]
    assert "ENV a=b" in read(f"{box.home}/log_linux_arm64")
    failed = build(box, "FROM scratch\nENV a=b\n", *flags[:2], "--metadata-file", f"{box.home}/x", check=False)
    assert failed.stderr.startswith("Error: building multiple images, but metadata file")


def test_what_does_nothing(box: Pod, busybox: str) -> None:
    build(box, f"FROM {busybox}\n", "--compress", "--disable-compression", "-D=false")


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--cw", "type=sev"),
        ("--sbom", "syft"),
        ("--sbom-image-output", "x"),
        ("--sbom-image-purl-output", "x"),
        ("--sbom-merge-strategy", "cat"),
        ("--sbom-output", "x"),
        ("--sbom-purl-output", "x"),
        ("--sbom-scanner-command", "x"),
        ("--sbom-scanner-image", "x"),
    ],
)
def test_what_is_not_supported(box: Pod, busybox: str, flag: str, value: str) -> None:
    failed = build(box, f"FROM {busybox}\n", flag, value, check=False)
    assert failed.stderr.startswith(f"Error: {flag}: ")
    assert failed.code == 125
