"""`push` and `manifest` against a real registry, as users type them; podman and skopeo read what was pushed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures import images, signing
from tests.fixtures.command import Pod
from tests.fixtures.registry import Registry, serve

ACCEPT = (
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json,"
    " application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json"
)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A second registry, which has nothing yet."""
    with serve(str(tmp_path_factory.mktemp("other") / "registry")) as running:
        yield running


@pytest.fixture
def place(pod: Pod) -> Path:
    """A directory that the user may write in."""
    path = Path(pod.directory, "place")
    path.mkdir()
    os.chown(path, pod.user.uid, pod.user.gid)
    return path


def remote(name: str) -> tuple[dict[str, Any], str]:
    """Return a manifest at a registry and its digest."""
    address, _, rest = name.partition("/")
    repository, _, tag = rest.rpartition(":")
    request = urllib.request.Request(f"http://{address}/v2/{repository}/manifests/{tag}", headers={"Accept": ACCEPT})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read()), answer.headers["Docker-Content-Digest"]


def committed(pod: Pod, base: str, name: str) -> str:
    """Make an image with a layer that was nowhere else."""
    container = pod.run("run", "-d", base, "sh", "-c", f"seq 100000 > /{name}; sleep 100").out
    pod.run("exec", container, "sh", "-c", f"while [ ! -s /{name} ]; do :; done")
    pod.run("commit", "-q", container, f"localhost/{name}")
    pod.run("rm", "-f", "-t", "0", container)
    return f"localhost/{name}"


def test_what_was_pulled_is_pushed_as_it_was(box: Pod, busybox: str, other: Registry, place: Path) -> None:
    target = f"{other.address}/as/it:was"
    file = place / "digest"
    told = box.run("push", "--digestfile", str(file), busybox, target)
    assert told.out == ""
    assert [line.partition(" sha256")[0] for line in told.stderr.splitlines()] == [
        "Getting image source signatures",
        "Copying blob",
        "Copying config",
        "Writing manifest to image destination",
    ]
    digest = box.run("image", "inspect", "--format", "{{.Digest}}", busybox).out
    assert remote(target)[1] == digest == file.read_text()
    assert box.run("push", "-q", busybox, f"docker://{target}").stderr == ""


def test_a_committed_image_is_compressed_once(box: Pod, busybox: str, other: Registry) -> None:
    name = committed(box, busybox, "once")
    first, second = f"{other.address}/once:1", f"{other.address}/once:2"
    box.run("push", name, first)
    box.run("push", "--tls-verify=false", name, second)
    assert remote(first) == remote(second)
    kinds = {layer["mediaType"].rpartition("+")[2] for layer in remote(first)[0]["layers"]}
    assert kinds == {"gzip"}
    box.run("push", "-q", "--compression-format", "zstd", "--compression-level=1", name, f"{other.address}/once:zstd")
    assert {one["mediaType"][-4:] for one in remote(f"{other.address}/once:zstd")[0]["layers"]} == {"zstd"}
    box.run("push", "-q", "--format=v2s2", name, f"{other.address}/once:docker")
    assert "docker" in remote(f"{other.address}/once:docker")[0]["mediaType"]
    box.run("push", "-q", "--compression-format=zstd:chunked", name, f"{other.address}/once:chunked")
    box.run("rmi", name)


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
def test_skopeo_reads_what_was_pushed(box: Pod, busybox: str, other: Registry, tmp_path: Path) -> None:
    for flag in ("--compression-format=gzip", "--compression-format=zstd:chunked", "--format=v2s2"):
        name = f"{other.address}/read:{flag[-4:]}"
        box.run("push", "-q", flag, busybox, name)
        command = ["skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{name}", f"dir:{tmp_path}/{flag[-4:]}"]
        subprocess.run(command, check=True, timeout=60)


def test_a_digest_that_is_of_another_image(box: Pod, busybox: str, other: Registry) -> None:
    target = f"{other.address}/exact@sha256:{'0' * 64}"
    refused = box.run("push", "-q", busybox, target, check=False)
    assert refused.code == 125
    assert refused.stderr.startswith("Error: Digest of source image's manifest would not match destination reference: ")
    digest = refused.stderr.splitlines()[0].rpartition(" ")[2]
    box.run("push", "-q", busybox, f"{other.address}/exact@{digest}")


def test_flags_of_push(box: Pod, busybox: str, other: Registry, place: Path) -> None:
    target = f"{other.address}/flags:1"
    box.run(
        *(
            "push",
            "--all",
            "--disable-content-trust",
            "--remove-signatures",
            "--force-compression=false",
            "--retry",
            "1",
        ),
        *("--retry-delay", "1s", "--cert-dir", str(place), "--creds", "u:p", "--compress", busybox, target),
    )
    auth = place / "auth.json"
    auth.write_text("{}")
    box.run("push", "--authfile", str(auth), busybox, target)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "v2s1"], "schema version 1"),
        (["--format", "v9"], 'unknown format "v9"'),
        (["--compression-format", "lz"], 'cannot find compressor for "lz"'),
        (["--compression-format=zstd", "--format=v2s2"], "zstd"),
        (["--compression-level", "77", "--compression-format", "gzip"], "invalid compression level 77"),
        (["--encryption-key", "jwe:x"], "--encryption-key"),
        (["--encrypt-layer", "0"], "--encrypt-layer"),
        (["--sign-by", "no-such-key", "--retry=0"], "connection refused"),
        (["--sign-by-sigstore", "file"], "--sign-by-sigstore"),
        (["--sign-by-sigstore-private-key", "file"], "--sign-by-sigstore-private-key"),
        (["--sign-passphrase-file", "file"], "--sign-passphrase-file"),
        (["--authfile", "/no/such"], "/no/such"),
        (["--retry", "0"], "connection refused"),
    ],
)
def test_what_push_refuses(box: Pod, busybox: str, arguments: list[str], message: str) -> None:
    failed = box.run("push", *arguments, busybox, "127.0.0.1:1/a/b:c", check=False)
    assert failed.code == 125
    assert message in failed.stderr.splitlines()[-1] + failed.stderr.splitlines()[-2 % len(failed.stderr.splitlines())]
    assert "Traceback" not in failed.stderr


def test_push_signs(box: Pod, busybox: str, other: Registry, place: Path) -> None:
    target = f"{other.address}/signed:1"
    settings = Path(box.home, ".config/containers/registries.d")
    settings.mkdir(parents=True)
    (settings / "a.yaml").write_text(f"default-docker: {{lookaside: 'file://{place}'}}\n")
    with signing.gpg() as gpg:
        gpg.make_key("alice")
        for path in (Path(gpg.home), *Path(gpg.home).rglob("*")):
            os.chown(path, box.user.uid, box.user.gid)
        home = {"GNUPGHOME": gpg.home}
        box.run("push", "-q", "--sign-by", "alice", busybox, target, env=home)
        failed = box.run("push", "-q", "--sign-by", "nobody", busybox, target, env=home, check=False)
        assert failed.stderr.startswith("Error: creating signature: ")
    digest = remote(target)[1].replace(":", "=")
    assert [path.parent.name for path in place.rglob("signature-1")] == [f"signed@{digest}"]
    failed = box.run("push", "-q", "--sign-by", "alice", busybox, f"oci:{place}/x", check=False)
    assert "cannot determine canonical Docker reference" in failed.stderr


def test_push_of_what_is_not_there(box: Pod) -> None:
    assert box.run("push", "nope", "127.0.0.1:1/x", check=False).stderr == "Error: nope: image not known\n"


@pytest.mark.parametrize(
    "transport", ["oci:{}/layout:tag", "dir:{}/dir", "docker-archive:{}/archive.tar", "oci-archive:{}/oci.tar"]
)
def test_push_to_files(box: Pod, busybox: str, place: Path, transport: str) -> None:
    target = transport.format(place)
    box.run("push", "-q", busybox, target)
    if shutil.which("skopeo") and (os.getuid() == 0 or "oci-archive" not in target):  # whose files it chowns
        told = subprocess.run(["skopeo", "inspect", "--config", target], capture_output=True, text=True, check=True)
        assert json.loads(told.stdout)["rootfs"]["diff_ids"]


def test_killed_in_the_middle_it_goes_again(box: Pod, busybox: str, other: Registry) -> None:
    name = committed(box, busybox, "killed")
    target = f"{other.address}/killed:1"
    for delay in (0.05, 0.2, 0.35):
        process = box.start("push", name, target)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    box.run("push", name, target)
    assert remote(target)[0]["layers"]
    assert box.run("system", "check").code == 0
    box.run("rmi", name)


def test_lists(pod: Pod, registry: Registry, other: Registry, place: Path) -> None:
    arm = registry.push("arm", "1", images.Image(images.busybox().layers, {"Cmd": ["arm"]}))
    local = registry.push("local", "1", images.busybox(Cmd=["local"]))
    pod.run("pull", "-q", local)
    made = pod.run("manifest", "create", "list:1", local).out
    assert len(made) == 64
    assert pod.run("manifest", "create", "list:1", check=False).stderr.endswith("that name is already in use\n")
    assert (
        pod.run("manifest", "create", "--amend", "--all", "--annotation", "x=y", "--tls-verify=false", "list:1").out
        == made
    )
    added = pod.run(
        *("manifest", "add", "--all", "--annotation", "a=b", "--arch=arm64", "--os", "linux", "--variant", "v8"),
        *("--os-version", "7", "--features", "f", "--os-features", "o", "--tls-verify=false", "--creds", "u:p"),
        *("--cert-dir", str(place), "list:1", f"docker://{arm}"),
    )
    assert added.out == made
    document = json.loads(pod.run("manifest", "inspect", "list:1").out)
    first, second = document["manifests"]
    assert first["platform"] == {"architecture": images.ARCHITECTURE, "os": "linux"}
    assert second["annotations"] == {"a": "b"}
    assert {"architecture": "arm64", "os": "linux", "os.version": "7", "variant": "v8"}.items() <= second[
        "platform"
    ].items()
    pod.run(
        "manifest",
        "annotate",
        "--annotation",
        "c=d",
        "--variant=v9",
        "--arch",
        "arm64",
        "--os",
        "linux",
        "--os-version",
        "8",
        "--features",
        "g",
        "--os-features",
        "p",
        "list:1",
        second["digest"],
    )
    pod.run("manifest", "annotate", "--index", "--annotation", "of=list", "list:1")
    document = json.loads(pod.run("manifest", "inspect", "list:1").out)
    assert document["manifests"][1]["annotations"] == {"a": "b", "c": "d"}
    assert document["manifests"][1]["platform"]["variant"] == "v9"
    assert document["annotations"] == {"x": "y", "of": "list"}
    assert ["localhost/list", "1", made[:12]] in [line.split()[:3] for line in pod.run("images").out.splitlines()]
    pod.run("tag", "list:1", "also:2")
    assert pod.run("image", "exists", "also:2").code == 0
    pushed(pod, other, place)
    pod.run("manifest", "remove", "list:1", second["digest"])
    assert (
        "no instance matching digest" in pod.run("manifest", "remove", "list:1", second["digest"], check=False).stderr
    )
    assert pod.run("manifest", "exists", "list:1").code == 0
    assert pod.run("manifest", "exists", "no", check=False).code == 1
    assert pod.run("manifest", "exists", local, check=False).stderr.endswith("image is not a manifest list\n")
    assert pod.run("manifest", "rm", "also:2").out == "Untagged: localhost/also:2"
    assert pod.run("manifest", "rm", "list:1").out == f"Untagged: localhost/list:1\nDeleted: {made}"
    again = pod.run("manifest", "create", "again").out
    assert pod.run("rmi", "again").out == f"Untagged: localhost/again:latest\nDeleted: {again}"
    last = pod.run("manifest", "create", "last").out
    assert f"Deleted: {last}" in pod.run("rmi", "--all").out.splitlines()
    assert pod.run("manifest", "rm", "nosuch:1", check=False).code == 1
    pod.run("manifest", "rm", "--ignore", "nosuch:1")


def pushed(pod: Pod, other: Registry, place: Path) -> None:
    """Push the list in several ways, and pull it again by platform."""
    target, file = f"{other.address}/a/list:1", place / "digest"
    told = pod.run("manifest", "push", "--all", "--digestfile", str(file), "list:1", f"docker://{target}")
    assert "Copying 2 of 2 images in list" in told.stderr
    document, digest = remote(target)
    assert digest == file.read_text()
    assert document["mediaType"] == "application/vnd.oci.image.index.v1+json"
    assert len(document["manifests"]) == 2
    pod.run("manifest", "push", "-q", "--all=false", "--remove-signatures", "list:1", f"{other.address}/a/list:2")
    pod.run("manifest", "push", "-q", "--format", "v2s2", "--tls-verify=false", "list:1", f"{other.address}/a/list:3")
    assert "docker" in remote(f"{other.address}/a/list:3")[0]["mediaType"]
    pod.run("push", "--all", "-q", "list:1", f"{other.address}/a/list:4")
    assert remote(f"{other.address}/a/list:4")[1] == digest
    pod.run("push", "-q", "list:1", f"{other.address}/a/list:5")
    assert "config" in remote(f"{other.address}/a/list:5")[0], "of a list the image for this machine"
    pod.run("manifest", "create", "short")
    pod.run("manifest", "push", "--rm", "--creds", "u:p", "--cert-dir", str(place), "short", f"{other.address}/short")
    assert pod.run("manifest", "exists", "short", check=False).code == 1
    assert json.loads(pod.run("manifest", "inspect", "--tls-verify=false", target).out) == document
    pod.run("pull", "-q", "--platform", "linux/arm64/v9", target)
    assert pod.run("image", "inspect", "--format", "{{.Config.Cmd}}", target).out == "[arm]"
    auth = place / "auth.json"
    auth.write_text("{}")
    for command in (["add", "list:1", target], ["push", "list:1", target], ["inspect", target]):
        refused = pod.run("manifest", command[0], "--authfile", "/no/such", *command[1:], check=False)
        assert refused.stderr == "Error: stat /no/such: no such file or directory\n"
    refused = pod.run("manifest", "push", "--sign-by", "me", "list:1", target, check=False)
    assert "--sign-by" in refused.stderr
    for flag in ("--sign-by-sigstore-private-key", "--sign-passphrase-file", "--sign-by-sigstore"):
        assert flag in pod.run("manifest", "push", flag, "file", "list:1", target, check=False).stderr
    gzip = pod.run(
        "manifest",
        "push",
        "--compression-format=gzip",
        "--compression-level",
        "1",
        "--force-compression=false",
        "-q",
        "list:1",
        f"{other.address}/a/list:5",
    )
    assert gzip.stderr == ""
