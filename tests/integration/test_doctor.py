"""`pod doctor`: what it finds on this machine, and which line it gives for what is missing."""

from __future__ import annotations

import json
import os

from tests.fixtures.command import Pod, make_pod
from tests.fixtures.user import User


def test_the_machine_of_these_tests_is_fit(pod: Pod) -> None:
    before = set(os.listdir(pod.directory))
    result = pod.run("doctor")
    lines = result.stdout.splitlines()
    assert lines[-1] == "fit for containers"
    assert all(line.split()[0] in ("ok", "warn", "mend:") for line in lines[:-1])
    assert any(line.startswith("ok    overlay") for line in lines)
    found = json.loads(pod.run("doctor", "--format", "json").stdout)
    assert {tuple(sorted(one)) for one in found} == {("Fix", "Message", "Name", "Status")}
    names = {one["Name"] for one in found}
    assert {"kernel", "user namespaces", "overlay", "graphroot", "control groups", "open files", "pasta"} <= names
    if pod.rootless:
        assert {"subuid", "subgid", "newuidmap", "newgidmap"} <= names
    assert pod.run("doctor", "--format", "{{.Status}} {{.Name}}").out.splitlines()[0] == "ok kernel"
    assert set(os.listdir(pod.directory)) == before


def test_a_user_without_subordinate_ids(command: str, workplace: str, user_without_subordinate_ids: User) -> None:
    user = user_without_subordinate_ids
    pod = make_pod(command, os.path.join(workplace, "doctor"), user)
    result = pod.run("doctor", check=False)
    assert result.code == 1
    lines = result.stdout.splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("fail  subuid"))
    assert f"/etc/subuid has no range for {user.name}" in lines[place]
    assert lines[place + 1].strip().startswith("mend: sudo usermod --add-subuids ")
    assert lines[place + 1].endswith(f" {user.name}")
    assert lines[-1] == "2 to mend before containers work"


def test_a_store_that_cannot_be_written(command: str, workplace: str, pod: Pod) -> None:
    if not pod.rootless:
        return  # root can write everywhere
    result = pod.run("--root", "/usr/share/pod-none", "doctor", check=False)
    assert result.code == 1
    assert "fail  overlay" in result.stdout
    assert "cannot be written" in result.stdout


def test_doctor_refuses_words(pod: Pod) -> None:
    result = pod.run("doctor", "me", check=False)
    assert (result.code, result.stderr) == (125, "Error: `pod doctor` takes no arguments\n")
