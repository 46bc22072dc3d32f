"""`pod build` where something is unusual: layers that come twice, names that mean something in a layer, a full disk."""

from __future__ import annotations

import hashlib
import http.server
import os
import shutil
import signal
import subprocess
import tarfile
import threading
import time

import pytest

from tests.fixtures.command import Pod
from tests.fixtures.monitor import eventually
from tests.integration.test_build import build, context, inspect, run


def test_a_layer_that_comes_twice(box: Pod, busybox: str) -> None:
    steps = "COPY f /\nRUN rm /f; echo 2 > /g\nCOPY f /\n"
    build(
        box,
        f"FROM {busybox}\nRUN true\nRUN true\nRUN true\n{steps}RUN cat /f > /seen\n",
        "-t",
        "twice",
        files={"f": "1\n"},
    )
    layers = inspect(box, "twice")["RootFS"]["Layers"]
    assert len(set(layers)) == len(layers) - 3
    assert run(box, "twice", "sh", "-c", "cat /f /g /seen") == "1\n2\n1"
    archive = os.path.join(box.directory, "twice.tar")
    box.run("save", "-o", archive, "twice")
    box.run("rmi", "-f", "twice")
    box.run("load", "-i", archive)
    assert run(box, "twice", "sh", "-c", "cat /f /g /seen") == "1\n2\n1"
    build(box, "FROM twice\nRUN rm /f\nCOPY f /\nRUN rm /g\n", "-t", "thrice", files={"f": "1\n"})
    assert run(box, "thrice", "sh", "-c", "cat /f /seen; test ! -e /g") == "1\n1"
    build(box, "FROM scratch\nCOPY f /\nCOPY f /\n", "-t", "same", files={"f": "1\n"})
    assert run(box, "--mount", "type=image,source=same,target=/i", busybox, "cat", "/i/f") == "1"
    box.run("system", "check")


def test_a_full_disk(box: Pod, busybox: str) -> None:
    if box.rootless:
        pytest.skip("an ordinary user mounts no file system for a store")
    store = os.path.join(box.directory, "small")
    os.mkdir(store)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=14m", "tmpfs", store], check=True)
    try:
        subprocess.run(["cp", "-a", f"{box.root}/.", store], check=True)
        box.options[box.options.index(box.root)] = store
        before = shutil.disk_usage(store).used
        with open(f"{context(box, f'FROM {busybox}' + chr(10) + 'COPY large /' + chr(10))}/large", "wb") as file:
            file.write(os.urandom(20 << 20))
        failed = box.run("build", f"{box.directory}/context", check=False)
        assert failed.code == 125
        assert 'building at STEP "COPY large /"' in failed.stderr
        assert "no space left on device" in failed.stderr.lower()
        eventually(lambda: shutil.disk_usage(store).used < before + (1 << 20))  # much is deleted in the background
        box.run("system", "check")
    finally:
        subprocess.run(["umount", "--lazy", store], check=True)


@pytest.mark.parametrize("flag", ["--layers", "--squash-all"])
def test_names_of_whiteouts_are_refused(box: Pod, busybox: str, flag: str) -> None:
    failed = build(box, f"FROM {busybox}\nCOPY . /\n", flag, files={".wh.etc": ""}, check=False)
    assert failed.code == 125
    assert "/.wh.etc: an image cannot hold a name that begins with .wh.: there it means a removed file" in failed.stderr
    assert "hint: leave the file out, or give it another name" in failed.stderr


@pytest.mark.parametrize("flags", [(), ("--squash",)])
def test_commit_refuses_names_of_whiteouts(box: Pod, busybox: str, flags: tuple[str, ...]) -> None:
    box.run("run", "--name", "marked", "--network", "none", busybox, "touch", "/etc/.wh.passwd")
    failed = box.run("commit", *flags, "marked", "x", check=False)
    assert failed.code == 125
    assert "/etc/.wh.passwd: an image cannot hold a name that begins with .wh." in failed.stderr


def test_times_before_1970(box: Pod, busybox: str) -> None:
    build(box, f"FROM {busybox}\nRUN touch -d 1960-01-01 /old\n", "-t", "old")
    assert run(box, "old", "stat", "-c", "%Y", "/old") == "0"
    box.run("system", "check")


@pytest.mark.parametrize(
    "words", [("builder", "prune"), ("image", "prune", "--build-cache"), ("system", "prune", "-a")]
)
def test_caches_of_run_are_pruned(box: Pod, busybox: str, words: tuple[str, ...]) -> None:
    step = "RUN --mount=type=cache,target=/c dd if=/dev/zero of=/c/x bs=1k count=2000"
    build(box, f"FROM {busybox}\n{step}\n")
    box.run("builder", "prune", "-f", "--filter", "until=1h")
    assert os.listdir(f"{box.root}/build/caches")
    pruned = box.run(*words, "-f").out
    assert not os.path.exists(f"{box.root}/build/caches")
    assert words[0] == "image" or float(pruned.rpartition(": ")[2].removesuffix("MB")) > 2
    box.run("pull", "--quiet", busybox)
    build(box, f"FROM {busybox}\n{step}\n")


def test_bytes_that_are_no_text(box: Pod, busybox: str) -> None:
    path = f"{context(box, '')}/Containerfile"
    with open(path, "wb") as file:
        file.write(f"# \xe9\nFROM {busybox}\nRUN true\nLABEL a=\xe9\n".encode("latin-1"))
    failed = box.run("build", os.path.dirname(path), check=False)
    assert failed.code == 125
    assert "STEP" not in failed.stdout
    assert "Containerfile:4:9: the byte 0xe9 is not valid UTF-8\nhint: save the file as UTF-8\n" in failed.stderr


def test_an_image_in_one_layer_without_a_step(box: Pod, busybox: str) -> None:
    build(box, f"FROM {busybox}\nRUN echo 1 > /one\n", "-t", "two")
    build(box, "FROM two\n", "--squash-all", "-t", "flat")
    image = inspect(box, "flat")
    assert len(image["RootFS"]["Layers"]) == len(image["History"]) == 1
    assert run(box, "flat", "cat", "/one") == "1"
    build(box, "FROM scratch\n", "--squash-all", "-t", "empty")
    box.run("system", "check")


def interrupt(box: Pod, directory: str) -> None:
    """Interrupt a build in its second step, which would take for ever: it ends."""
    started = box.start("build", "--network", "none", directory, stderr=subprocess.DEVNULL)
    assert started.stdout is not None
    for line in started.stdout:
        if line.startswith(b"STEP 2/"):
            break
    time.sleep(0.5)
    assert started.poll() is None
    started.send_signal(signal.SIGINT)
    assert started.wait(timeout=60) == 130
    started.stdout.close()
    assert os.listdir(f"{box.root}/staging") == []


def test_an_interrupted_download(box: Pod, busybox: str) -> None:
    release = threading.Event()

    class Slow(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"x")
            release.wait(300)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        text = f"FROM {busybox}\nADD http://127.0.0.1:{server.server_address[1]}/x /\n"
        interrupt(box, context(box, text))
    finally:
        release.set()
        server.shutdown()
        server.server_close()


def test_an_interrupted_look_at_the_context(box: Pod, busybox: str) -> None:
    directory = context(box, f"FROM {busybox}\nCOPY large /\n")
    with open(f"{directory}/large", "wb") as file:
        file.truncate(1 << 40)
    interrupt(box, directory)


def test_what_is_read_in_a_process_of_its_own_is_known_later(box: Pod, busybox: str) -> None:
    directory = context(box, f"FROM {busybox} AS large\nCOPY large /\n")
    content = b"".join(bytes([number]) * (1 << 20) for number in range(70))
    with open(f"{directory}/large", "wb") as file:
        file.write(content)
    expected = hashlib.sha256(content).digest()
    box.run("build", "-t", "large", directory)
    [name] = os.listdir(f"{box.root}/build/digests")
    with open(f"{box.root}/build/digests/{name}", "rb") as file:
        assert expected in file.read()
    assert "Using cache" in box.run("build", directory).stdout
    assert run(box, "large", "sha256sum", "/large").split()[0] == expected.hex()


def test_a_containerfile_that_is_a_link_out_of_the_context(box: Pod, busybox: str) -> None:
    """Of a directory of the user's it is read, as podman does; an archive's may lead to any file of the host."""
    directory = context(box, "FROM scratch\n", {"shared": f"FROM {busybox}\nLABEL kind=shared\n"})
    inside = os.path.join(directory, "inside")
    os.mkdir(inside)
    os.symlink("../shared", os.path.join(inside, "Containerfile"))
    os.chown(inside, box.user.uid, box.user.gid)
    box.run("build", "-t", "linked", inside)
    assert box.run("inspect", "--format", "{{.Config.Labels.kind}}", "linked").out == "shared"
    archive = os.path.join(directory, "context.tar")
    with tarfile.open(archive, "w") as tar:
        tar.add(inside, ".")
    with open(archive, "rb") as file, box.start("build", "-", stdin=file) as refused:
        _, told = refused.communicate(timeout=60)
    assert refused.returncode == 125
    assert b"no such file or directory" in told
