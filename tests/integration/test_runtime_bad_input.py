"""Configurations that are wrong: exit status 1, an error that names the field, and nothing left."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fixtures import leaks
from tests.fixtures.bundle import SOURCE, Runtime, configuration, with_user_namespace
from tests.fixtures.configurations import everything, find, paths, replaced, shown, wrong_values
from tests.fixtures.user import User

_numbers = itertools.count()


@pytest.fixture
def runtime(workplace: str, user: User) -> Iterator[Runtime]:
    number = next(_numbers)
    made = Runtime(f"{workplace}/bad{number}-{user.name}", user)
    yield made
    found = leaks.leftovers(made.directory, set())
    left = made.leftovers() + [line for line in found if not line.startswith("control group: ")]
    left += [place for place, names, _files in os.walk("/sys/fs/cgroup") if cgroup(made) in names]
    assert left == []


def cgroup(runtime: Runtime) -> str:
    """Return the name of the control group of this test's containers."""
    return f"bad{os.getpid()}-{os.path.basename(runtime.directory)}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no JSON value"),
        (b"{", "Expecting property name"),
        (b'{"ociVersion": "1.0.0",}', "Expecting property name"),
        (b"[]", "not a JSON object"),
        (b'"x"', "not a JSON object"),
        (b'{"ociVersion": NaN}', "NaN is not JSON"),
        (b'{"a": 1} {"b": 2}', "unexpected text"),
        (b'{"a": "\xff"}', "codec can't decode"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'{"process": {"user": {"uid": ' + b"9" * 5000 + b"}}}", "integer string"),
        (b'{"a": "' + b"x" * (17 << 20) + b'"}', ""),
        (b"\0" * 100, "no JSON value"),
        (b"{}", "ociVersion is missing"),
        (b'{"ociVersion": "1.0.0"}', "root is missing"),
        (b'{"ociVersion": "1.0.0", "root": {}}', "root.path is missing"),
        (b'{"ociVersion": "2.0.0", "root": {"path": "rootfs"}}', "ociVersion `2.0.0` is not supported"),
    ],
    ids=range(17),
)
def test_text_that_is_no_configuration(runtime: Runtime, content: bytes, message: str) -> None:
    with open(f"{runtime.bundle}/config.json", "wb") as file:
        file.write(content)
    done = runtime("create", "box")
    assert done.returncode == 1
    assert message in done.stderr
    assert "config.json" in done.stderr or message[:4] in ("root", "ociV")
    assert "Traceback" not in done.stderr
    assert len(done.stderr) < 1000


def test_a_bundle_that_is_not_there(runtime: Runtime) -> None:
    assert "config.json`: No such file or directory" in runtime("create", "box").stderr
    os.mkdir(f"{runtime.bundle}/config.json")
    assert "config.json`: Is a directory" in runtime("create", "box").stderr
    os.rmdir(f"{runtime.bundle}/config.json")
    spec = configuration("true")
    spec["root"]["path"] = "missing"
    assert "missing`: No such file or directory" in runtime.run(spec).stderr
    spec["root"]["path"] = "rootfs/etc/passwd"
    assert runtime.run(spec).returncode == 1


# Calls create for each line of a file, and prints what it raised.
CREATE = """
import json, sys
sys.path.insert(0, sys.argv[1])
from runtime import create, delete, errors
for line in open(sys.argv[3]):
    try:
        create.create("box", ".", json.loads(line), root=sys.argv[2])
        delete.delete(sys.argv[2], "box", force=True)
        print('["", "created"]', flush=True)
    except errors.OCIRuntimeError as error:
        print(json.dumps([type(error).__name__, str(error)]), flush=True)
"""


def create_each(runtime: Runtime, documents: list[dict[str, Any]]) -> list[list[str]]:
    """Try to create a container with each of the configurations; return the errors, (kind, message) each."""
    with open(f"{runtime.directory}/documents", "w") as file:
        file.writelines(json.dumps(document) + "\n" for document in documents)
    command = [sys.executable, "-I", "-S", "-B", "-c", CREATE, SOURCE, runtime.state, f"{runtime.directory}/documents"]
    done = subprocess.run(
        [*runtime.prefix(), *command], cwd=runtime.bundle, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_each_field_wrong_in_turn(runtime: Runtime) -> None:
    model = everything()
    cases = [(path, wrong) for path in paths(model) for wrong in wrong_values(find(model, path)) if wrong != "\ud800"]
    errors = create_each(runtime, [replaced(model, path, wrong) for path, wrong in cases])
    assert len(errors) == len(cases) > 1000
    for (path, wrong), (kind, message) in zip(cases, errors, strict=True):
        assert kind == "SpecError", (path, wrong, message)
        assert message.startswith(f"{shown(path)} "), (path, wrong, message)


# What is well-formed, and found to be impossible only when part of the container is there already.
LATE: list[tuple[tuple[str | int, ...], Any, str]] = [
    (("mounts", 0, "type"), "tmpfs", "mount tmpfs on `/proc`: nothing but procfs may be mounted over or inside of"),
    (("mounts", 2, "type"), "nosuchfs", "mount nosuchfs on `/sys`: `nosuchfs`: No such device"),
    (("mounts", 4, "options"), ["bogus=1"], "mount tmpfs on `/dev/shm`: `bogus`: Invalid argument"),
    (("mounts", 4, "destination"), "/bin/busybox/x", "`/bin/busybox/x`: Not a directory"),
    (("mounts", 4), {"destination": "/x", "type": "bind", "source": "/no/where"}, "`/no/where`: No such file"),
    (("process", "args", 0), "/no/where", "executable file `/no/where` not found"),
    (("process", "cwd"), "/bin/busybox", "change to the working directory `/bin/busybox`"),
    (("process", "terminal"), True, "open a terminal in the container"),
    (("process", "scheduler"), {"policy": "SCHED_ISO"}, "process.scheduler"),
    (("linux", "sysctl"), {"net.ipv4.nosuch": "1"}, "net.ipv4.nosuch"),
    (("linux", "sysctl"), {"net.ipv4.ip_forward": "x"}, "net.ipv4.ip_forward"),
    (("linux", "netDevices"), {"nosuch0": {}}, "there is no network device `nosuch0`"),
    (("linux", "namespaces", 0, "path"), "/proc/self/ns/uts", "linux.namespaces[0].path: `/proc/self/ns/uts` is not a"),
    (("linux", "namespaces", 0, "path"), "/no/where", "linux.namespaces[0].path: open the pid namespace `/no/where`"),
    (("linux", "cgroupsPath"), "../../x", "linux.cgroupsPath"),
    (("linux", "seccomp"), {"defaultAction": "SCMP_ACT_ALLOW", "flags": ["X"]}, "seccomp"),
    (("linux", "devices"), [{"path": "/dev/x", "type": "c"}], "linux.devices[0].major is missing"),
    (("hooks",), {"createContainer": [{"path": "/no/where"}]}, "run the createContainer hook `/no/where`"),
    (("hooks",), {"createRuntime": [{"path": "/bin/false"}]}, "run the createRuntime hook `/bin/false`: exit status 1"),
]


def late_model(runtime: Runtime) -> dict[str, Any]:
    spec = configuration("sleep", "600")
    spec["linux"]["cgroupsPath"] = f"/{cgroup(runtime)}/box"
    return spec


@pytest.mark.parametrize("in_user_namespace", [True, False], ids=["user", "no-user"])
def test_what_turns_out_to_be_impossible_leaves_nothing(runtime: Runtime, in_user_namespace: bool) -> None:
    if in_user_namespace and runtime.user.uid:
        pytest.skip("an ordinary user has one namespace already")
    documents = [replaced(late_model(runtime), path, value) for path, value, _message in LATE]
    terminal = next(index for index, (path, _value, _message) in enumerate(LATE) if "terminal" in path)
    documents[terminal]["mounts"].pop(3)  # without devpts
    errors = create_each(runtime, [with_user_namespace(spec) for spec in documents] if in_user_namespace else documents)
    wrong = [(case, seen) for case, (_kind, seen) in zip(LATE, errors, strict=True) if case[2] not in seen]
    assert wrong == []


def test_limits_that_the_kernel_refuses_leave_nothing(runtime: Runtime) -> None:
    if runtime.user.uid:
        pytest.skip("an ordinary user has no control groups here")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"cpu": {"cpus": "8000"}}, "cpuset.cpus"),
        ({"cpu": {"period": 5}}, "cpu"),
        ({"unified": {"no/such": "x"}}, "linux.resources.unified"),
        ({"devices": [{"allow": True, "access": "q"}]}, "linux.resources.devices"),
        ({"devices": [{"allow": True, "type": "z"}]}, "linux.resources.devices"),
        ({"hugepageLimits": [{"pageSize": "3MB", "limit": 1}]}, "3MB"),
    ]
    documents = [replaced(late_model(runtime), ("linux", "resources"), resources) for resources, _message in cases]
    for (resources, message), (_kind, seen) in zip(cases, create_each(runtime, documents), strict=True):
        assert message in seen, (resources, seen)


def test_a_process_that_is_executed_is_checked_as_well(runtime: Runtime) -> None:
    if runtime.user.uid:
        pytest.skip("each command has a user namespace of its own here")
    runtime.start("box", configuration("sleep", "600"))
    try:
        for document, message in (
            ({}, "process.args is missing or empty"),
            ({"args": ["true"], "user": {"uid": -5}}, "process.user.uid -5 is not between"),
            ({"args": ["true"], "env": ["A"]}, "process.env[0] is not of the form KEY=VALUE"),
            ({"args": [1]}, "process.args[0] is not a string: 1"),
            ([], "not a JSON object"),
        ):
            with open(f"{runtime.bundle}/process.json", "w") as file:
                json.dump(document, file)
            done = runtime("exec", "--process", "process.json", "box")
            assert (done.returncode, message in done.stderr) == (1, True), done.stderr
    finally:
        runtime("delete", "--force", "box")
