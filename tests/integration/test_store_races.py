"""Commands that take the store away under others: each says in one line what happened, and nothing is left."""

from __future__ import annotations

import hashlib
import os
import random
import re
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest

from tests.fakes.registry import Exchange, FakeRegistry
from tests.fixtures import images
from tests.fixtures.command import Pod, altered
from tests.fixtures.monitor import eventually
from tests.fixtures.registry import Registry

ROUNDS = int(os.environ.get("POD_TEST_ROUNDS", "1"))

pytestmark = pytest.mark.slow


@pytest.fixture
def image(registry: Registry) -> str:
    """An image whose pull takes a while."""
    many = [images.entry(f"srv/{number:05d}", b"x" * 100) for number in range(4000)]
    return registry.push("races", "1", images.busybox(images.layer(*many), images.layer(images.entry("own", b"own\n"))))


def together(pod: Pod, *commands: list[str], apart: float = 0.0) -> list[tuple[int, str]]:
    """Start commands, each that many seconds after the last; give exit codes and what they told."""
    processes: list[subprocess.Popen[bytes]] = []
    for number, words in enumerate(commands):
        if number:
            time.sleep(apart)
        processes.append(pod.start(*words))
    try:
        ended = [(b"".join(process.communicate(timeout=100)).decode(), process) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    for words, (told, process) in zip(commands, ended, strict=True):
        assert "Traceback" not in told, (words, told)
        assert "this is a bug" not in told, (words, told)
        # A program that `system reset` ended is no error of `run`.
        ended_it = words[0] == "run" and process.returncode == 137
        assert (process.returncode == 0 or ended_it) == ("Error: " not in told), (words, process.returncode, told)
    return [(process.returncode, told) for told, process in ended]


def assert_sound(pod: Pod, image: str) -> None:
    """The store is whole, and of use."""
    checked = pod.run("system", "check", check=False)
    assert (checked.code, checked.stdout, checked.stderr) == (0, "", "")
    assert pod.run("run", "--rm", "--network=none", image, "cat", "/own").out == "own"
    # What was removed is deleted in the background.
    eventually(lambda: [os.listdir(f"{pod.root}/{name}") for name in ("ingest", "staging", "trash")] == [[]] * 3)


def test_reset_while_others_pull_and_run(pod: Pod, image: str) -> None:
    for _ in range(ROUNDS):
        together(
            pod,
            ["pull", "--quiet", image],
            ["run", "--rm", "--network=none", image, "cat", "/own"],
            ["system", "reset", "--force"],
            apart=random.uniform(0.0, 0.6),
        )
        assert_sound(pod, image)
        (reset,) = together(pod, ["system", "reset", "--force"])
        assert reset[0] == 0, reset
        assert not os.path.exists(pod.root) or os.listdir(pod.root) == []
        assert not os.path.exists(pod.runroot)


def test_reset_waits_for_a_pull(pod: Pod) -> None:
    asked, held = threading.Event(), threading.Event()

    def hold(exchange: Exchange) -> None:
        asked.set()
        held.wait(60)
        exchange.send(exchange.answer)

    layers = [images.tar(images.entry(name, b"x")) for name in ("one", "two")]
    with FakeRegistry() as registry:
        registry.add_image("slow", "1", layers)
        registry.script(f"/blobs/sha256:{hashlib.sha256(layers[1]).hexdigest()}", hold)
        pull = pod.start("pull", "--quiet", "--tls-verify=false", f"{registry.domain}/slow:1")
        assert asked.wait(60)
        reset = pod.start("system", "reset", "--force")
        with pytest.raises(subprocess.TimeoutExpired):
            reset.wait(2)
        held.set()
        for process in (pull, reset):
            assert (process.wait(60), process.communicate()[1]) == (0, b"")
    assert not os.path.exists(pod.root)


def test_reset_says_who_stays(pod: Pod) -> None:
    archive = f"{pod.directory}/root.tar"
    with open(archive, "wb") as file:
        file.write(images.tar(images.entry("own", b"own\n")))
    image = pod.run("import", "--quiet", archive, "kept:1").out
    pod.run("volume", "create", "kept")
    command = ["flock", "--shared", f"{pod.root}/layers", "sh", "-c", "echo; cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        hurried = altered(pod, "from pod import reset; reset.PATIENCE = 0.5")
        ended = hurried.run("system", "reset", "--force", check=False)
        assert (ended.code, ended.stdout) == (125, "")
        told, hint = ended.stderr.splitlines()
        # What makes the import durable may still be here, too.
        match = re.fullmatch(rf"Error: {pod.root} is still in use by other commands \(processes ([\d, ]+)\)", told)
        assert match
        assert str(other.pid) in match[1].split(", ")
        assert hint == (
            "hint: let them come to their end, or end them, and reset again; images and volumes are all there"
        )
        assert pod.run("images", "--quiet", "--no-trunc").out == image
        assert pod.run("volume", "ls", "--quiet").out == "kept"
        assert pod.run("system", "check").stdout == ""
        other.communicate(b"")
    assert pod.run("system", "reset", "--force").stderr == ""
    assert not os.path.exists(pod.root)


def test_resets_at_once(box: Pod) -> None:
    ended = together(box, *[["system", "reset", "--force"] for _ in range(4)])
    assert [code for code, _ in ended] == [0] * 4, ended
    assert not os.path.exists(box.root) or os.listdir(box.root) == []


def test_reset_does_not_wait_for_who_only_looks(box: Pod, busybox: str) -> None:
    box.run("run", "--detach", "--name", "seen", busybox, "sleep", "600")
    live = box.spawn("stats", "--interval", "1")
    live.expect("seen")
    box.run("system", "reset", "--force")
    live.sendintr()
    live.wait()
    live.close()


def test_reset_keeps_who_is_in_the_user_namespace(rootless_box: Pod) -> None:
    """Commands of one user in two namespaces could not end each other's containers."""
    show = "readlink /proc/self/ns/user"
    inside = rootless_box.start("unshare", "sh", "-c", f"{show}; exec cat", stdin=subprocess.PIPE)
    assert inside.stdout is not None
    namespace = inside.stdout.readline().decode().strip()
    rootless_box.run("system", "reset", "--force")
    assert rootless_box.run("unshare", "sh", "-c", show).out == namespace
    inside.communicate(b"")
    rootless_box.run("system", "reset", "--force")
    assert not os.path.exists(rootless_box.runroot)


def test_two_prunes_and_a_pull(pod: Pod, image: str) -> None:
    for _ in range(ROUNDS):
        ended = together(
            pod,
            ["pull", "--quiet", image],
            ["system", "prune", "--all", "--force"],
            ["system", "prune", "--all", "--force", "--volumes"],
            ["pull", "--quiet", image],
            apart=random.uniform(0.0, 0.4),
        )
        assert [code for code, _ in ended] == [0, 0, 0, 0], ended
        assert_sound(pod, image)
        pod.run("rmi", "--all", "--force")


def test_repair_while_others_pull_and_remove(pod: Pod, image: str) -> None:
    for _ in range(ROUNDS):
        ended = together(
            pod,
            ["pull", "--quiet", image],
            ["system", "check", "--repair"],
            ["rmi", "--force", "--ignore", image],
            ["pull", "--quiet", image],
            ["system", "check", "--repair", "--force"],
            apart=random.uniform(0.0, 0.4),
        )
        assert [code for code, _ in ended] == [0, 0, 0, 0, 0], ended
        assert_sound(pod, image)
        pod.run("rmi", "--all", "--force")


@pytest.fixture
def fickle() -> Iterator[FakeRegistry]:
    """A registry that serves another image of the same name each time."""

    class Turning(dict[tuple[str, str], tuple[bytes, str]]):
        turn = 0

        def __getitem__(self, key: tuple[str, str]) -> tuple[bytes, str]:
            if key[1] == "latest":
                Turning.turn += 1
                key = (key[0], f"v{Turning.turn % 3}")
            return super().__getitem__(key)

    with FakeRegistry() as made:
        for number in range(3):
            for tag in (f"v{number}", "latest"):
                made.add_image("fickle", tag, [images.tar(images.entry("own", str(number).encode()))])
        made.manifests = Turning(made.manifests)
        yield made


def test_a_registry_with_another_image_each_time(pod: Pod, fickle: FakeRegistry) -> None:
    name = f"{fickle.domain}/fickle:latest"
    for policy in ("always", "newer", "always", "newer"):
        ended = together(pod, *[["pull", "--quiet", "--policy", policy, "--tls-verify=false", name] for _ in range(4)])
        assert [code for code, _ in ended] == [0] * 4, ended
    told = pod.run("images", "--all", "--format", "{{.Repository}}:{{.Tag}} {{.Digest}}").out.splitlines()
    assert len([line for line in told if line.startswith(f"{name} ")]) == 1, told
    assert pod.run("system", "check").stdout == ""
