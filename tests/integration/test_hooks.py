"""OCI hooks from directories of JSON files: of `run`, `start` and RUN, by flag and by containers.conf."""

from __future__ import annotations

import json
import os
import shutil
from typing import Any

import pytest

from tests.fixtures.command import Pod
from tests.integration.test_build import context
from tests.integration.test_build_flags import build


class Hooks:
    """A directory of hooks that write down what they are called with."""

    def __init__(self, pod: Pod) -> None:
        self.path = f"{pod.directory}/hooks,d"
        self.log = f"{pod.directory}/hooks.log"
        os.mkdir(self.path)
        os.close(os.open(self.log, os.O_CREAT))
        os.chmod(self.log, 0o666)

    def add(self, name: str, when: dict[str, Any], *stages: str, code: int = 0) -> None:
        """Let a hook write its name, and the status of the container, for these stages."""
        script = f"""echo {name} $(grep -o '"status":"[a-z]*"') >> {self.log}; exit {code}"""
        entry = {"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/usr/bin:/bin"]}
        document = {"version": "1.0.0", "hook": entry, "when": when, "stages": stages}
        with open(f"{self.path}/{name}.json", "w") as file:
            json.dump(document, file)

    def called(self) -> list[str]:
        """Return what was written down since the last time."""
        with open(self.log) as file:
            found = [line.strip().replace('"', "") for line in file]
        os.truncate(self.log, 0)
        return found


@pytest.fixture
def hooks(box: Pod) -> Hooks:
    return Hooks(box)


def test_hooks_of_containers(box: Pod, busybox: str, hooks: Hooks) -> None:
    hooks.add("01-all", {"always": True}, "prestart", "poststop")
    hooks.add("02-mounts", {"hasBindMounts": True}, "createRuntime")
    hooks.add("03-kind", {"annotations": {"^kind$": "^special"}}, "createContainer")
    hooks.add("04-command", {"commands": ["sleep$"]}, "poststart")
    run = ("run", "--network", "none")
    box.run("--hooks-dir", hooks.path, *run, "--rm", busybox, "true")
    assert hooks.called() == ["01-all status:created", "01-all status:stopped"]
    flags = ("--annotation", "kind=special", "-v", f"{box.directory}:/mounted")
    box.run("--hooks-dir", hooks.path, *run, "--name", "c", *flags, busybox, "sleep", "0")
    expected = ["01-all", "02-mounts", "03-kind"], ["04-command", "01-all"]
    called = [line.split()[0] for line in hooks.called()]
    assert called == [*expected[0], *expected[1]]
    box.run("start", "-a", "c")
    assert hooks.called() == []  # as podman: they are those of the command that starts it
    conf = f"{box.directory}/containers.conf"
    with open(conf, "w") as file:
        file.write(f'[engine]\nhooks_dir = ["{hooks.path}"]\n')
    box.run("start", "-a", "c", env={"CONTAINERS_CONF": conf})
    assert [line.split()[0] for line in hooks.called()] == called
    box.run("rm", "c")


def test_a_hook_that_fails_keeps_the_container_from_starting(box: Pod, busybox: str, hooks: Hooks) -> None:
    hooks.add("fails", {"always": True}, "createRuntime", code=3)
    failed = box.run("--hooks-dir", hooks.path, "run", "--rm", "--network", "none", busybox, "true", check=False)
    assert failed.code == 126
    assert "createRuntime hook" in failed.stderr
    assert box.run("ps", "-aq").out == ""


def test_wrong_directories_of_hooks(box: Pod, busybox: str, hooks: Hooks) -> None:
    failed = box.run("--hooks-dir", "", "run", busybox, "true", check=False)
    assert failed.stderr.startswith("Error: empty-string hook directories are not supported: invalid argument\n")
    run = ("run", "--rm", "--network", "none", busybox, "true")
    box.run("--hooks-dir", "/none", *run)
    with open(f"{hooks.path}/x.json", "w") as file:
        file.write("{}")
    failed = box.run("--hooks-dir", hooks.path, *run, check=False)
    told = f'Error: setting up OCI Hooks: parsing hook "{hooks.path}/x.json": missing required property: hook\n'
    assert failed.stderr.startswith(told)
    assert failed.code == 126


def test_hooks_of_run_in_a_build(box: Pod, busybox: str, hooks: Hooks) -> None:
    hooks.add("01-all", {"always": True}, "createRuntime", "poststop")
    hooks.add("02-mounts", {"hasBindMounts": True}, "createRuntime")
    text = f"FROM {busybox}\nRUN echo one > /one\nRUN --mount=type=tmpfs,target=/x true\n"
    build(box, text)
    assert hooks.called() == []
    flags = ("--hooks-dir", hooks.path)
    box.run("build", "--network", "none", *flags, context(box, text))
    one, two = ["01-all status:created", "01-all status:stopped"], "02-mounts status:created"
    assert hooks.called() == [*one, one[0], two, one[1]]
    assert build(box, text, *flags).stdout.count("Using cache") == 2
    assert hooks.called() == []
    hooks.add("03-more", {"commands": ["/sh$"]}, "poststop")
    build(box, text, *flags)  # the result under other hooks may be another
    assert hooks.called()[:3] == [*one, "03-more status:stopped"]
    hooks.add("03-more", {"annotations": {"^kind$": "^special"}}, "poststop")
    build(box, f"FROM {busybox}\n", "--annotation", "kind=special", "-t", "localhost/special")
    build(box, "FROM localhost/special\nRUN echo two\n", *flags)  # annotations are those of the image
    assert hooks.called() == [*one, "03-more status:stopped"]
    hooks.add("04-fails", {"always": True}, "createRuntime", code=3)
    failed = build(box, text, *flags, check=False)
    assert "createRuntime hook" in failed.stderr


def test_hooks_of_containers_that_start_again(box: Pod, busybox: str, hooks: Hooks) -> None:
    hooks.add("all", {"always": True}, "createRuntime")
    flags = ("--network", "none", "--restart", "on-failure:2")
    assert box.run("--hooks-dir", hooks.path, "run", *flags, busybox, "false", check=False).code == 1
    assert hooks.called() == ["all status:created"] * 3


def test_hooks_with_another_runtime(box: Pod, busybox: str, hooks: Hooks) -> None:
    if shutil.which("runc") is None:
        pytest.skip("there is no runc")
    hooks.add("all", {"always": True}, "prestart", "poststop")
    options = ("--runtime", "runc", "--hooks-dir", hooks.path)
    box.run(*options, "run", "--rm", "--network", "none", busybox, "true")
    assert [line.split()[0] for line in hooks.called()] == ["all", "all"]


def test_a_hook_changes_what_is_run(box: Pod, busybox: str, hooks: Hooks) -> None:
    entry = {"path": "/bin/sed", "args": ["sed", "s/before/after/"]}
    document = {"version": "1.0.0", "hook": entry, "when": {"always": True}, "stages": ["precreate"]}
    with open(f"{hooks.path}/x.json", "w") as file:
        json.dump(document, file)
    run = ("run", "--rm", "--network", "none", busybox)
    assert box.run("--hooks-dir", hooks.path, *run, "echo", "before").out == "after"
