"""Images go from pod to podman, docker and skopeo and back, by every transport and format, and stay what they are.

What comes out has the same ID, the same diffIDs (so that each byte of its layers is the same), and the same files.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.fixtures import engines, images
from tests.fixtures.command import Pod, make_pod
from tests.fixtures.engines import Engine
from tests.fixtures.registry import Registry
from tests.fixtures.user import current_user

pytestmark = pytest.mark.root

NAME = "localhost/matrix:v1"
IMAGE = images.busybox(
    images.layer(
        images.entry("home/kept", b"kept", uid=1000, gid=1000, mode=0o640),
        images.entry("home/set", b"s" * 5000, mode=0o4755),
        images.link("home/link", "home/kept", uid=1000, gid=1000, mode=0o640),
        images.symlink("home/away", "/etc/../etc/passwd"),
        images.entry("home/gone", b"gone"),
        images.entry("home/" + "long" * 40, b"long"),
    ),
    images.layer(images.entry("home/.wh.gone", b""), images.entry("home/later", b"later")),
    Labels={"a": "b"},
)
FORMATS = ("docker-archive", "oci-archive", "oci-dir", "docker-dir")
TRANSPORTS = {"docker-archive": "docker-archive", "oci-archive": "oci-archive", "oci-dir": "oci", "docker-dir": "dir"}


@dataclass(frozen=True)
class Known:
    """What is known of an image somewhere: its ID, its diffIDs."""

    image: str
    layers: list[str]


EXPECTED = Known(IMAGE.config().digest, [layer.diff_id for layer in IMAGE.layers])


@pytest.fixture(scope="module")
def place(workplace: str) -> Iterator[str]:
    """A directory for what these tests write."""
    path = os.path.join(workplace, "t")  # podman wants short paths
    os.mkdir(path)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def podman(place: str, runtime_command: str) -> Iterator[Engine]:
    """Podman with a store of its own."""
    directory = os.path.join(place, "podman")
    with engines.nothing_left(directory), engines.podman(directory, current_user(), runtime_command) as engine:
        yield engine


@pytest.fixture(scope="module")
def docker(place: str, runtime_command: str) -> Iterator[Engine]:
    """A docker daemon with a store of its own."""
    directory = os.path.join(place, "docker")
    with engines.nothing_left(directory), engines.docker(directory, runtime_command) as engine:
        yield engine


@pytest.fixture(scope="module")
def pod(place: str, runtime_command: str) -> Pod:
    """`pod` with a store of its own."""
    return make_pod(os.path.join(os.path.dirname(runtime_command), "pod"), os.path.join(place, "pod"), current_user())


@pytest.fixture(scope="module")
def source(registry: Registry) -> str:
    """The image at a registry."""
    return registry.push("matrix", "v1", IMAGE)


@pytest.fixture
def output(place: str) -> Iterator[str]:
    """Where one test writes."""
    path = os.path.join(place, "output")
    yield path
    shutil.rmtree(path, ignore_errors=True)
    if os.path.exists(path):
        os.unlink(path)


def known(engine: Pod, name: str) -> Known:
    """Ask for what an engine knows of an image, and remove it."""
    document = json.loads(engine.run("image", "inspect", name).stdout)[0]
    assert files(engine, name) == files_of(IMAGE)
    engine.run("rmi", "--force", name)
    return Known("sha256:" + document["Id"].removeprefix("sha256:"), document["RootFS"]["Layers"])


def described(info: tarfile.TarInfo, content: bytes) -> tuple[object, ...]:
    """Return what of a file must be the same everywhere."""
    mode = 0o777 if info.issym() else info.mode & 0o7777
    return info.type, mode, info.uid, info.gid, info.linkname, hashlib.sha256(content).hexdigest()


def files(engine: Pod, name: str) -> dict[str, tuple[object, ...]]:
    """Export a container of an image, and return its home directory."""
    container = engine.run("create", "--network=none", name, "true").out
    process = engine.start("export", container)
    data, error = process.communicate(timeout=60)
    assert process.returncode == 0, error
    engine.run("rm", container)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        found = {}
        for info in archive:
            if info.name.lstrip("./").startswith("home/"):
                content = archive.extractfile(info) if info.isreg() or info.islnk() else None
                # Which of several names is the file, and which its links, depends on their order.
                info.linkname = info.linkname if info.issym() else ""
                info.type = tarfile.REGTYPE if info.islnk() else info.type
                found[info.name.lstrip("./")] = described(info, content.read() if content else b"")
        return found


def files_of(image: images.Image) -> dict[str, tuple[object, ...]]:
    """Return what `files` gives for an image."""
    found: dict[str, tuple[object, ...]] = {}
    contents: dict[str, bytes] = {}
    for layer in image.layers[1:]:
        with tarfile.open(fileobj=io.BytesIO(layer.blob.read())) as archive:
            for info in archive:
                directory, _, base = info.name.rpartition("/")
                if base.startswith(".wh."):
                    del found[f"{directory}/{base[4:]}"]
                    continue
                file = archive.extractfile(info) if info.isreg() else None
                contents[info.name] = file.read() if file else contents.get(info.linkname, b"")
                info.linkname = info.linkname if info.issym() else ""
                info.type = tarfile.REGTYPE if info.islnk() else info.type
                found[info.name] = described(info, contents[info.name])
    return found


def skopeo(*words: str) -> str:
    """Run skopeo."""
    done = subprocess.run(
        [engines.program("skopeo"), "--insecure-policy", *words], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done
    return done.stdout


def test_the_image_itself(pod: Pod, podman: Engine, docker: Engine, source: str) -> None:
    for engine in (pod, podman, docker):
        tls = [] if engine is docker else ["--tls-verify=false"]
        engine.run("pull", "--quiet", *tls, source)
        assert known(engine, source) == EXPECTED


@pytest.mark.parametrize("format", FORMATS)
def test_others_read_what_pod_saves(
    pod: Pod, podman: Engine, docker: Engine, source: str, output: str, format: str
) -> None:
    pod.run("pull", "--quiet", "--tls-verify=false", source)
    pod.run("tag", source, NAME)
    pod.run("save", "--quiet", "--format", format, "--output", output, NAME)
    pod.run("rmi", "--all", "--force")
    copied = f"{TRANSPORTS[format]}:{output}"
    config = json.loads(skopeo("inspect", "--config", "--raw", copied))
    assert config["rootfs"]["diff_ids"] == EXPECTED.layers
    skopeo("copy", "--quiet", copied, f"dir:{output}-copy")  # which reads and verifies all of it
    shutil.rmtree(f"{output}-copy")
    loaded = podman.run("load", "--quiet", "--input", output).out
    assert known(podman, loaded.removeprefix("Loaded image: ")) == EXPECTED
    assert format.endswith("-dir") or loaded == f"Loaded image: {NAME}"
    assert podman.run("pull", "--quiet", copied).out == EXPECTED.image[7:]
    podman.run("rmi", "--force", EXPECTED.image[7:])
    if format == "docker-archive":
        assert docker.run("load", "--quiet", "--input", output).out == f"Loaded image: {NAME}"
        assert known(docker, NAME) == EXPECTED


@pytest.mark.parametrize("format", FORMATS)
def test_pod_reads_what_podman_saves(pod: Pod, podman: Engine, source: str, output: str, format: str) -> None:
    podman.run("pull", "--quiet", "--tls-verify=false", source)
    podman.run("tag", source, NAME)
    podman.run("save", "--quiet", "--format", format, "--output", output, NAME)
    podman.run("rmi", "--all", "--force")
    loaded = pod.run("load", "--quiet", "--input", output).out
    assert format == "docker-dir" or loaded == f"Loaded image: {NAME}"
    assert known(pod, loaded.removeprefix("Loaded image: ")) == EXPECTED
    assert pod.run("pull", "--quiet", f"{TRANSPORTS[format]}:{output}").out == EXPECTED.image[7:]
    pod.run("rmi", "--all", "--force")


@pytest.mark.parametrize(
    ("transport", "format", "compression"),
    [
        *itertools.product(["dir", "oci", "oci-archive", "docker"], ["oci"], ["gzip", "zstd"]),
        *itertools.product(["dir", "docker"], ["v2s2"], ["gzip"]),
    ],
)
def test_pod_reads_what_skopeo_copies(
    pod: Pod, registry: Registry, source: str, output: str, transport: str, format: str, compression: str
) -> None:
    target = f"//{registry.address}/skopeo:{format}-{compression}" if transport == "docker" else output
    words = ["--format", format, "--dest-tls-verify=false", "--src-tls-verify=false"]
    words += ["--dest-compress", "--dest-compress-format", compression]
    skopeo("copy", "--quiet", *words, f"docker://{source}", f"{transport}:{target}")
    tls = ["--tls-verify=false"] if transport == "docker" else []
    assert known(pod, pod.run("pull", "--quiet", *tls, f"{transport}:{target}").out) == EXPECTED


def test_several_images_with_docker(pod: Pod, podman: Engine, docker: Engine, source: str, output: str) -> None:
    """One archive of two images through all hands."""
    second = "localhost/second:v2"
    pod.run("pull", "--quiet", "--tls-verify=false", source)
    pod.run("tag", source, NAME)
    imported = pod.run("import", "-", second, input=images.tar(images.entry("only", b"x"))).out
    pod.run("save", "--quiet", "-m", "--output", output, NAME, second)
    pod.run("rmi", "--all", "--force")
    for engine, save in ((docker, ["save"]), (podman, ["save", "--quiet", "-m"]), (pod, [])):
        loaded = engine.run("load", "--quiet", "--input", output).out.splitlines()
        assert sorted(loaded) == [f"Loaded image: {NAME}", f"Loaded image: {second}"]
        os.unlink(output)
        if save:
            engine.run(*save, "--output", output, NAME, second)
        found = engine.run("image", "inspect", "--format", "{{.Id}}", second).out
        assert found.removeprefix("sha256:") == imported.removeprefix("sha256:")
        engine.run("rmi", "--force", second)
        assert known(engine, NAME) == EXPECTED


def test_the_daemon_of_docker(pod: Pod, docker: Engine, source: str) -> None:
    docker.run("pull", "--quiet", source)
    docker.run("tag", source, NAME)
    environment = {"DOCKER_HOST": docker.options[1]}
    image = pod.run("pull", "--quiet", f"docker-daemon:{NAME}", env=environment).out
    assert known(pod, NAME) == EXPECTED
    assert pod.run("pull", "--quiet", f"docker-daemon:sha256:{image}", env=environment).out == image
    assert known(pod, image) == EXPECTED
    missing = pod.run("pull", "docker-daemon:nope:latest", env=environment, check=False)
    assert missing.code == 125
    assert missing.stderr.startswith("Error: docker-daemon:docker.io/library/nope:latest: ")
    docker.run("rmi", "--force", NAME, source)


@pytest.mark.parametrize(("format", "compression"), [("oci", "gzip"), ("oci", "zstd"), ("v2s2", "gzip")])
def test_others_pull_what_pod_pushes(
    pod: Pod,
    podman: Engine,
    docker: Engine,
    registry: Registry,
    source: str,
    output: str,
    format: str,
    compression: str,
) -> None:
    pod.run("pull", "--quiet", "--tls-verify=false", source)
    target = f"{registry.address}/pushed:{format}-{compression}"
    words = ["--format", format, "--compression-format", compression, "--force-compression"]
    pod.run("push", "--quiet", "--tls-verify=false", *words, source, f"docker://{target}")
    pod.run("rmi", "--all", "--force")
    manifest = json.loads(skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{target}"))
    assert (".docker." in manifest["mediaType"]) == (format == "v2s2")
    assert {layer["mediaType"].rpartition("tar")[2][1:] for layer in manifest["layers"]} == {compression}
    skopeo("copy", "--quiet", "--src-tls-verify=false", f"docker://{target}", f"dir:{output}")
    for engine in (pod, podman, docker):
        if engine is docker and compression == "zstd":
            continue  # that of Debian is too old for it
        engine.run("pull", "--quiet", *([] if engine is docker else ["--tls-verify=false"]), target)
        assert known(engine, target) == EXPECTED


def test_pod_pushes_to_the_daemon_of_docker(pod: Pod, docker: Engine, source: str) -> None:
    pod.run("pull", "--quiet", "--tls-verify=false", source)
    environment = {"DOCKER_HOST": docker.options[1]}
    pod.run("push", "--quiet", source, f"docker-daemon:{NAME}", env=environment)
    assert known(docker, NAME) == EXPECTED
    pod.run("rmi", "--all", "--force")


@pytest.mark.parametrize("transport", ["oci", "oci-archive", "dir", "docker-archive"])
def test_skopeo_reads_what_pod_pushes(pod: Pod, source: str, output: str, transport: str) -> None:
    pod.run("pull", "--quiet", "--tls-verify=false", source)
    pod.run("push", "--quiet", source, f"{transport}:{output}" + (":a" if transport != "dir" else ""))
    pod.run("rmi", "--all", "--force")
    config = json.loads(skopeo("inspect", "--config", "--raw", f"{transport}:{output}"))
    assert config["rootfs"]["diff_ids"] == EXPECTED.layers
    image = pod.run("pull", "--quiet", f"{transport}:{output}").out
    assert known(pod, image) == EXPECTED
