"""`pod-runtime spec`: what it writes runs as written, as root and as an ordinary user."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator

import pytest

from tests.fixtures.bundle import Runtime
from tests.fixtures.user import User, current_user

_numbers = itertools.count()


@pytest.fixture
def runtime(workplace: str, user: User) -> Iterator[Runtime]:
    made = Runtime(f"{workplace}/spec{next(_numbers)}", user)
    # An ordinary user who is in no namespace of his own.
    plain = ["setpriv", f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups"]
    prefix = plain if current_user().uid == 0 and user.uid else []
    made.prefix = lambda: prefix  # type: ignore[method-assign]
    yield made
    for name in made.leftovers():
        made("delete", "--force", name)


def edit(runtime: Runtime, *args: str) -> None:
    """Change what is to be run, and nothing else but that it needs no terminal."""
    path = f"{runtime.bundle}/config.json"
    with open(path) as file:
        spec = json.load(file)
    assert spec["process"]["args"] == ["sh"]
    spec["process"].update(args=list(args), terminal=False)
    with open(path, "w") as file:
        json.dump(spec, file)


def words(runtime: Runtime) -> list[str]:
    return ["spec"] if runtime.user.uid == 0 else ["spec", "--rootless"]


def test_a_configuration_runs_as_written(runtime: Runtime) -> None:
    assert runtime(*words(runtime)).returncode == 0
    edit(runtime, "sh", "-c", "id -u; hostname; echo x > /file; exit 3")
    done = runtime("run", "box")
    assert done.stdout.split() == ["0", "pod-runtime"]
    assert "Read-only file system" in done.stderr
    assert done.returncode == 3
    assert runtime.leftovers() == []


def test_its_shell_has_a_terminal(runtime: Runtime) -> None:
    assert runtime(*words(runtime)).returncode == 0
    done = runtime("run", "box", stdin=None, input="tty; exit 4\n")
    assert (done.returncode, "/dev/pts/0" in done.stdout) == (4, True), done.stderr


def test_an_existing_file_is_kept(runtime: Runtime) -> None:
    path = f"{runtime.bundle}/config.json"
    with open(path, "w") as file:
        file.write("mine")
    refused = runtime("spec")
    assert (refused.returncode, "it exists, remove it first" in refused.stderr) == (1, True)
    with open(path) as file:
        assert file.read() == "mine"


def test_another_place(runtime: Runtime) -> None:
    os.makedirs(f"{runtime.directory}/other")
    os.chmod(f"{runtime.directory}/other", 0o777)
    assert runtime("spec", "-b", f"{runtime.directory}/other").returncode == 0
    assert runtime("spec", f"--file={runtime.directory}/other/named").returncode == 0
    for name in ("config.json", "named"):
        with open(f"{runtime.directory}/other/{name}") as file:
            assert json.load(file)["root"] == {"path": "rootfs", "readonly": True}
    missing = runtime("spec", "--bundle", "/no/such/place")
    assert (missing.returncode, "No such file" in missing.stderr) == (1, True)


def test_the_mapping_of_an_ordinary_user_is_his_own(runtime: Runtime) -> None:
    runtime("spec", "--rootless")
    with open(f"{runtime.bundle}/config.json") as file:
        linux = json.load(file)["linux"]
    assert linux["uidMappings"] == [{"containerID": 0, "hostID": runtime.user.uid, "size": 1}]
    assert "network" not in [namespace["type"] for namespace in linux["namespaces"]]
    assert "resources" not in linux
