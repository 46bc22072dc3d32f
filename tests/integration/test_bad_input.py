"""Bad input: one clear line, the right exit code, nothing left behind, and success once the cause is gone."""

from __future__ import annotations

import os
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.fixtures import images, leaks
from tests.fixtures.command import Pod, Result
from tests.fixtures.images import Image, Layer
from tests.fixtures.registry import ScriptedRegistry, refusing_port, serve_script


@pytest.fixture
def script() -> Iterator[ScriptedRegistry]:
    """A registry that the test may spoil."""
    with serve_script() as running:
        yield running


# Lines that may stand beside the error: progress, a hint, where to find help.
BESIDES = (
    "Trying to pull",
    "Getting image",
    "Copying",
    "Writing manifest",
    "Storing signatures",
    "hint: ",
    "See '",
    "Try '",
)


def refuse(pod: Pod, *arguments: str, code: int = 125, says: str = "", timeout: float = 60) -> Result:
    """Run a command that must fail with one line, and leave nothing."""
    before = _traces(pod)
    result = pod.run(*arguments, check=False, timeout=timeout)
    assert result.code == code, result
    lines = [line for line in result.stderr.splitlines() if not line.startswith(BESIDES)]
    assert len(lines) == 1, result
    assert lines[0].startswith("Error: "), result
    assert says.lower() in lines[0].lower(), result
    assert "Traceback" not in result.stderr
    left = leaks.wait_until_clean(lambda: sorted(_traces(pod) - before), timeout=30)
    assert not left
    return result


def _traces(pod: Pod) -> set[str]:
    """What a command may leave: records, working files, processes, mounts."""
    containers = pod.run("ps", "--all", "--quiet", check=False).stdout.split() if os.path.isdir(pod.root) else []
    layers = os.path.join(pod.root, "layers")
    return {
        *containers,
        *(os.listdir(layers) if os.path.isdir(layers) else []),
        *leaks.unfinished(pod.root, pod.runroot),
        *leaks.leftovers(pod.directory, leaks.control_groups()),
    }


def test_unknown_image(pod: Pod, registry: object, busybox: str) -> None:
    missing = busybox.replace("busybox", "no-such-image")
    refuse(pod, "pull", missing, says="no-such-image")
    refuse(pod, "run", "--rm", missing, "true")
    refuse(pod, "pull", busybox.replace("latest", "no-such-tag"))
    pod.run("pull", "-q", busybox)


def test_unknown_image_without_pulling(pod: Pod) -> None:
    refuse(pod, "run", "--rm", "--pull", "never", "localhost/nothing", "true", says="image not known")
    refuse(pod, "rmi", "nothing", code=1, says="image not known")
    refuse(pod, "tag", "nothing", "something", says="image not known")


@pytest.mark.parametrize("name", ["UPPER/Case", "a b", ":tag", "x@sha256:12", "-", "a//b"])
def test_nonsense_names(pod: Pod, name: str) -> None:
    refuse(pod, "pull", "--", name)


def test_unreachable_registry(pod: Pod) -> None:
    with refusing_port() as port:
        reference = f"127.0.0.1:{port}/busybox:latest"
        refuse(pod, "pull", reference, says=f"127.0.0.1:{port}", timeout=90)
        with serve_script(port) as running:
            running.add("busybox", "latest", images.busybox())
            pod.run("pull", "-q", reference)


def test_wrong_credentials(pod: Pod, script: ScriptedRegistry) -> None:
    reference = script.add("private/busybox", "latest", images.busybox())
    script.credentials = ("user", "secret")
    refuse(pod, "pull", reference, says="unauthorized")
    refuse(pod, "login", "-u", "user", "-p", "wrong", script.address)
    pod.run("login", "-u", "user", "--password-stdin", script.address, input="secret")
    pod.run("pull", "-q", reference)
    pod.run("logout", script.address)
    refuse(pod, "pull", reference, says="unauthorized")


def test_a_registry_that_recovers(pod: Pod, script: ScriptedRegistry) -> None:
    reference = script.add("busybox", "latest", images.busybox())
    script.failures = 2
    pod.run("pull", "-q", reference)


def test_wrong_digest_of_a_layer(pod: Pod, script: ScriptedRegistry) -> None:
    image = images.busybox(images.layer(images.entry("added", b"content")))
    reference = script.add("busybox", "latest", image)
    blob = image.layers[1].blob
    good = script.blobs[blob.digest]
    script.blobs[blob.digest] = images.gzip(images.tar(images.entry("added", b"CONTENT")))[: len(good)].ljust(len(good))
    refuse(pod, "pull", reference)
    script.blobs[blob.digest] = good
    pod.run("pull", "-q", reference)


def test_wrong_digest_of_the_config(pod: Pod, script: ScriptedRegistry) -> None:
    image = images.busybox()
    reference = script.add("busybox", "latest", image)
    good = script.blobs[image.config().digest]
    script.blobs[image.config().digest] = good.replace(b"tests", b"TESTS")
    refuse(pod, "pull", reference)
    script.blobs[image.config().digest] = good
    pod.run("pull", "-q", reference)


def test_wrong_diff_id(pod: Pod, script: ScriptedRegistry) -> None:
    layer = images.layer(images.entry("added", b"content"))
    lie = Layer(layer.blob, images.digest(b"something else"))
    refuse(pod, "pull", script.add("busybox", "latest", images.busybox(lie)))
    pod.run("pull", "-q", script.add("busybox", "latest", images.busybox(layer)))


def test_truncated_layer(pod: Pod, script: ScriptedRegistry) -> None:
    image = images.busybox()
    reference = script.add("busybox", "latest", image)
    script.truncated.add(image.layers[0].blob.digest)
    refuse(pod, "pull", "--retry-delay", "100ms", reference, timeout=90)
    script.truncated.clear()
    pod.run("pull", "-q", reference)


def _corrupt(data: bytes) -> Layer:
    """A layer whose digests are right and whose content is not."""
    return Layer(images.blob(data, images.LAYER_GZIP), images.digest(b"unknown"))


CORRUPT = {
    "not compressed, not a tar": _corrupt(b"this is not a layer" * 100),
    "gzip of rubbish": images.layer_of(b"this is not a tar" * 100),
    "gzip that breaks off": _corrupt(images.gzip(images.tar(images.entry("a", b"x" * 100000)))[:-20]),
    "tar that breaks off": images.layer_of(images.tar(images.entry("a", b"x" * 100000))[:5000]),
    "header with a wrong checksum": images.layer_of(images.tar(images.entry("a", b"x")).replace(b"ustar", b"USTAR", 1)),
}


@pytest.mark.parametrize("name", CORRUPT)
def test_corrupt_layer(pod: Pod, script: ScriptedRegistry, name: str) -> None:
    refuse(pod, "pull", script.add("bad", "latest", images.busybox(CORRUPT[name])))
    pod.run("pull", "-q", script.add("good", "latest", images.busybox()))


HOSTILE = {
    "path upwards": [images.entry("../../../../escaped", b"x")],
    "absolute path": [images.entry("/escaped", b"x")],
    "through a link": [images.symlink("out", "/"), images.entry("out/escaped", b"x")],
    "through a relative link": [images.symlink("out", "../../../.."), images.entry("out/escaped", b"x")],
    "hard link upwards": [images.link("escaped", "../../../../../../etc/passwd")],
    "hard link through a link": [images.symlink("out", "/etc"), images.link("escaped", "out/passwd")],
    "whiteout upwards": [images.entry("../.wh.victim", b"")],
    "whiteout of the parent": [images.entry("dir/.wh...", b"")],
    "whiteout through a link": [images.symlink("out", "../../.."), images.entry("out/.wh.victim", b"")],
    "opaque through a link": [images.symlink("out", "../../.."), images.entry("out/.wh..wh..opq", b"")],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_layer(pod: Pod, script: ScriptedRegistry, name: str) -> None:
    """Refused, or applied inside the tree; never a step outside of it."""
    for path in ("root/victim", "victim"):
        target = os.path.join(pod.directory, path)
        os.makedirs(target)
        for directory in (target, os.path.dirname(target)):
            os.chown(directory, pod.user.uid, pod.user.gid)
    reference = script.add("hostile", "latest", images.busybox(images.layer(*HOSTILE[name])))
    result = pod.run("pull", "-q", reference, check=False)
    assert result.code in (0, 125), result
    assert "Traceback" not in result.stderr
    assert not os.path.lexists("/escaped")
    outside = [
        os.path.join(directory, "escaped")
        for directory, _, names in os.walk(pod.directory)
        if "escaped" in names and "/diff" not in directory
    ]
    assert not outside
    for path in ("root/victim", "victim"):
        target = os.path.join(pod.directory, path)
        assert os.path.isdir(target)
        os.rmdir(target)
    if result.code == 0:
        leaked = pod.run("run", "--rm", reference, "cat", "/escaped", check=False)
        with open("/etc/passwd") as file:
            assert leaked.stdout != file.read()


def test_device_nodes_do_not_open_the_host(pod: Pod, script: ScriptedRegistry) -> None:
    node = images.entry("dev/disk", type=tarfile.BLKTYPE, devmajor=254, devminor=0, mode=0o666)
    reference = script.add("devices", "latest", images.busybox(images.layer(node)))
    result = pod.run("run", "--rm", "--quiet", reference, "head", "-c", "1", "/dev/disk", check=False)
    assert result.code != 0


def test_index_without_this_platform(pod: Pod, script: ScriptedRegistry) -> None:
    import json

    index = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [
            {**images.busybox().manifest().descriptor(), "platform": {"os": "linux", "architecture": "s390x"}},
        ],
    }
    script.add("other", "1", images.busybox())
    data = json.dumps(index).encode()
    script.manifests["other:latest"] = images.blob(data, str(index["mediaType"]))
    refuse(pod, "pull", f"{script.address}/other:latest", says="no image found")
    pod.run("pull", "-q", "--platform", "linux/s390x", f"{script.address}/other:latest", check=False)


def test_manifest_that_is_none(pod: Pod, script: ScriptedRegistry) -> None:
    for number, data in enumerate([b"", b"[]", b"{}", b"not json", b'{"schemaVersion": 1}', b"\xff" * 50]):
        script.manifests[f"odd:{number}"] = images.blob(data, images.MANIFEST)
        refuse(pod, "pull", f"{script.address}/odd:{number}")


def test_full_disk(command: str, workplace: str, pod: Pod, registry: object, busybox: str) -> None:
    if os.getuid() != 0:
        pytest.skip("needs root to mount a small disk")
    os.mkdir(pod.root)
    with _small_disk(pod, "600k"):
        refuse(pod, "pull", busybox, says="no space left on device")
        subprocess.run(["mount", "-o", "remount,size=100m", pod.root], check=True)
        pod.run("pull", "-q", busybox)
        assert pod.run("images", "-q").out


@contextmanager
def _small_disk(pod: Pod, size: str) -> Iterator[None]:
    options = f"size={size},mode=755,uid={pod.user.uid},gid={pod.user.gid}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "small", pod.root], check=True)
    try:
        yield
    finally:
        # A process that makes the layers durable may still hold the disk for a moment.
        unmount = ["umount", pod.root]
        assert leaks.wait_until_clean(lambda: ["busy"] if subprocess.run(unmount).returncode else [], timeout=60) == []


def test_unknown_command_in_the_image(box: Pod, busybox: str) -> None:
    refuse(box, "run", "--rm", busybox, "no-such-command", code=127, says="no-such-command")
    refuse(box, "run", "--rm", busybox, "/no/such/path", code=127)
    refuse(box, "run", "-d", "--rm", busybox, "no-such-command", code=127)


def test_not_executable(box: Pod, busybox: str) -> None:
    refuse(box, "run", "--rm", busybox, "/etc/not-executable", code=126, says="permission denied")
    refuse(box, "run", "--rm", busybox, "/etc", code=126)


def test_container_that_could_not_start_does_not_stay(box: Pod, busybox: str) -> None:
    refuse(box, "run", "--name", "c", busybox, "no-such-command", code=127)
    refuse(box, "run", "-d", "--name", "c", busybox, "/etc/not-executable", code=126)
    box.run("run", "--name", "c", busybox, "true")


def test_duplicate_name(box: Pod, busybox: str) -> None:
    box.run("create", "--name", "c", busybox)
    refuse(box, "create", "--name", "c", busybox, says='the container name "c" is already in use')
    refuse(box, "run", "--rm", "--name", "c", busybox, "true")
    box.run("rm", "c")
    box.run("run", "--rm", "--name", "c", busybox, "true")


@pytest.mark.parametrize("name", ["", "a b", "-x", "a/b", "ä"])
def test_nonsense_container_names(box: Pod, busybox: str, name: str) -> None:
    result = box.run("run", "--rm", f"--name={name}", busybox, "true", check=False)
    assert result.code == (0 if not name else 125), result


def test_missing_volume_source(box: Pod, busybox: str) -> None:
    path = os.path.join(box.home, "missing")
    refuse(box, "run", "--rm", "-v", f"{path}:/data", busybox, "true", says="no such file or directory")
    refuse(box, "run", "--rm", "--mount", f"type=bind,src={path},dst=/data", busybox, "true")
    os.mkdir(path)
    box.run("run", "--rm", "-v", f"{path}:/data", busybox, "true")


NONSENSE = [
    ["--memory", "lots"],
    ["--memory", "-5"],
    ["--cpus", "many"],
    ["--pids-limit", "x"],
    ["--shm-size", "big"],
    ["--ulimit", "nofile"],
    ["--ulimit", "nothing=1:2"],
    ["--cap-add", "NO_SUCH"],
    ["--network", "no-such-network"],
    ["--pid", "nonsense"],
    ["--ipc", "nonsense"],
    ["--uts", "nonsense"],
    ["--userns", "nonsense"],
    ["--volume", "relative/path:/data"],
    ["--volume", "/etc:relative"],
    ["--volume", "a:b:c:d"],
    ["--mount", "type=nonsense,target=/x"],
    ["--mount", "nonsense"],
    ["--tmpfs", "relative"],
    ["--env-file", "/no/such/file"],
    ["--security-opt", "nonsense=1"],
    ["--stop-signal", "SIGNONSENSE"],
    ["--stop-timeout", "x"],
    ["--log-driver", "nonsense"],
    ["--pull", "sometimes"],
    ["--platform", "a/b/c/d/e"],
    ["--detach-keys", "ctrl-nonsense"],
    ["--workdir", "relative"],
    ["--label", "=x"],
    ["--no-such-flag"],
    ["--cidfile", "/no/such/directory/file"],
    ["--cpuset-cpus", "a-b"],
]


@pytest.mark.parametrize("options", NONSENSE, ids=" ".join)
def test_nonsense_flag_values(box: Pod, busybox: str, options: list[str]) -> None:
    refuse(box, "run", "--rm", *options, busybox, "true")


def test_what_keeps_a_container_from_starting_is_126(box: Pod, busybox: str) -> None:
    """As podman has it: 125 before there is a container, 126 (or 127) when it was there and could not be started."""
    for options in (["--user", "nobody-of-that-name"], ["--group-add", "nobody-of-that-name"]):
        failed = box.run("run", "--rm", *options, busybox, "true", check=False)
        assert (failed.code, failed.stderr.count("\n")) == (126, 1), failed
        assert box.run("ps", "--all", "--quiet").out == ""
    box.run("create", "--name", "one", "--user", "nobody-of-that-name", busybox, "true")
    assert box.run("start", "one", check=False).code == 125


@pytest.mark.parametrize("arguments", [["nonsense"], ["run"], ["exec"], ["pull"], ["stop"], ["ps", "--filter", "x"]])
def test_nonsense_command_lines(pod: Pod, arguments: list[str]) -> None:
    refuse(pod, *arguments)


@pytest.mark.parametrize("word", ["start", "stop", "kill", "logs", "exec", "attach", "wait", "inspect"])
def test_unknown_container(pod: Pod, word: str) -> None:
    arguments = [word, "nothing", *(["true"] if word == "exec" else [])]
    result = pod.run(*arguments, check=False)
    assert result.code == 125, result
    assert "no such" in result.stderr
    assert "nothing" in result.stderr


def test_a_store_that_cannot_be_written(pod: Pod) -> None:
    with open(os.path.join(pod.directory, "file"), "w"):
        pass
    result = pod.execute([pod.command, "--root", f"{pod.directory}/file/root", "volume", "create"], check=False)
    assert result.code == 125
    assert len(result.stderr.splitlines()) == 1, result


def test_image_without_a_command(pod: Pod, script: ScriptedRegistry) -> None:
    image = Image([images.busybox_layer()], {})
    reference = script.add("empty", "latest", image)
    pod.run("pull", "-q", reference)
    refuse(pod, "run", "--rm", reference, says="no command")
    pod.run("run", "--rm", reference, "true")
