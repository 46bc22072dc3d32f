"""Hooks: what they are given, when they run, and what comes of those that fail."""

from __future__ import annotations

import itertools
import json
import os
import signal
import stat
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fixtures.bundle import Runtime, configuration, with_user_namespace
from tests.fixtures.monitor import eventually
from tests.fixtures.user import current_user

_numbers = itertools.count()
OUTSIDE = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")
STAGES = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")


@pytest.fixture
def as_root(workplace: str) -> Iterator[Runtime]:
    if os.getuid():
        pytest.skip("needs root")
    made = Runtime(f"{workplace}/hooks{next(_numbers)}", current_user())
    yield made
    for name in made.leftovers():
        made("delete", "--force", name)


def hook(script: str, **more: Any) -> list[dict[str, Any]]:
    """Return the hooks of a stage: one, a shell script."""
    return [{"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin"], **more}]


def with_hooks(spec: dict[str, Any], **stages: list[dict[str, Any]]) -> dict[str, Any]:
    """Add hooks to a configuration."""
    spec.setdefault("hooks", {}).update(stages)
    return spec


@pytest.mark.parametrize("in_user_namespace", [True, False], ids=["user", "no-user"])
def test_the_state_that_hooks_are_given(as_root: Runtime, in_user_namespace: bool) -> None:
    log = f"{as_root.directory}/log"
    spec = configuration("true")
    if in_user_namespace:
        with_user_namespace(spec)
    spec["annotations"] = {"org.example": "x", "run.oci.hooks.stdout": log}
    with_hooks(spec, **{stage: hook("cat; echo") for stage in STAGES})
    os.close(os.open(log, os.O_CREAT, 0o666))
    os.chmod(log, 0o666)
    for part in (as_root.directory, os.path.dirname(as_root.directory)):
        os.chmod(part, 0o755)
    assert as_root.run(spec).returncode == 0
    with open(log) as file:
        states = [json.loads(line) for line in file]
    expected = ["created", "created", "created", "created", "running", "stopped"]
    assert [state["status"] for state in states] == expected
    for state in states:
        assert (state["id"], state["bundle"]) == ("box", as_root.bundle)
        assert state["annotations"]["org.example"] == "x"
        assert state["ociVersion"].startswith("1.")
    pids = [state.get("pid", 0) for state in states]
    # In the container's namespace it is the container's number.
    assert pids[2:4] == [1, 1]
    assert len({pids[0], pids[1], pids[4]} - {0, 1}) == 1
    assert pids[5] == 0


def test_a_state_of_any_size_arrives_whole(runtime: Runtime) -> None:
    log = f"{runtime.directory}/log"
    spec = configuration("true")
    spec["annotations"] = {f"org.example.{number}": "x" * 1000 for number in range(500)}
    # Only a size is kept, and a hook that does not read it does no harm.
    with_hooks(
        spec, createRuntime=[*hook("exec <&-; sleep 0.1"), *hook(f"wc -c >> {log}")], createContainer=hook("cat")
    )
    done = runtime.run(spec)
    assert done.returncode == 0, done.stderr
    with open(log) as file:
        assert int(file.read()) > 500_000
    assert len(json.loads(done.stdout)["annotations"]) == 500


def test_what_else_a_hook_is_given(runtime: Runtime) -> None:
    log = f"{runtime.directory}/log"
    spec = configuration("true")
    spec["annotations"] = {"run.oci.hooks.stdout": log}
    commands = (
        ["env"],
        ["sh", "-c", "echo $0 $#", "name", "x"],
        ["grep", "-E", "Sig(Ign|Blk)", "/proc/self/status"],
        ["ls", "/proc/self/fd"],
    )
    hooks = [{"path": "/bin/busybox", "args": args, "env": ["A=b", "C="]} for args in commands]
    done = runtime.run(with_hooks(spec, createRuntime=hooks))
    assert done.returncode == 0, done.stderr
    with open(log) as file:
        seen = file.read().split()
    # The last descriptor is that of the directory which `ls` reads.
    assert seen[:4] == ["A=b", "C=", "name", "1"]
    # glibc's posix_spawn leaves its own two signals, 32 and 33, ignored.
    assert [int(word, 16) & ~(3 << 31) for word in seen if word.startswith("0000")] == [0, 0]
    assert seen[8:] == ["0", "1", "2", "3"]


def test_where_hooks_run(as_root: Runtime) -> None:
    log = f"{as_root.directory}/log"
    spec = configuration("true")
    show = (
        f"echo $(readlink /proc/self/ns/net) $(test -e /bin/busybox -a ! -e /usr/bin && echo in || echo out) >> {log}"
    )
    with_hooks(spec, **{stage: hook(show) for stage in OUTSIDE})
    with_hooks(spec, startContainer=hook("test ! -e /usr/bin && echo $$ $(id -u) > /inside"))
    assert as_root.run(spec).returncode == 0
    with open(log) as file:
        seen = [line.split() for line in file]
    own = os.readlink("/proc/self/ns/net")
    assert [place == own for place, _root in seen] == [True, True, False, True, True]
    assert {root for _place, root in seen} == {"out"}
    assert os.path.exists(f"{as_root.rootfs}/inside")


def test_output_goes_where_the_annotations_say(runtime: Runtime) -> None:
    spec = configuration("echo", "the container")
    spec["annotations"] = {f"run.oci.hooks.{name}": f"{runtime.directory}/{name}" for name in ("stdout", "stderr")}
    stages = ("prestart", "createContainer", "startContainer", "poststart", "poststop")
    with_hooks(spec, **{stage: hook(f"echo out {stage}; echo err {stage} >&2") for stage in stages})
    done = runtime.run(spec)
    assert (done.returncode, done.stdout) == (0, "the container\n"), done.stderr
    for name in ("stdout", "stderr"):
        with open(f"{runtime.directory}/{name}") as file:
            assert file.read().splitlines() == [f"{name[3:]} {stage}" for stage in stages]
    assert not os.path.exists(f"{runtime.rootfs}{runtime.directory}")
    spec["annotations"]["run.oci.hooks.stdout"] = "/no/where/at/all"
    assert "open `/no/where/at/all` for the output of hooks: No such file" in runtime.run(spec).stderr


@pytest.mark.parametrize("stage", ["prestart", "createRuntime", "createContainer", "startContainer"])
def test_a_hook_that_fails_ends_the_container_and_poststop_hooks_run(runtime: Runtime, stage: str) -> None:
    log = f"{runtime.directory}/log"
    spec = configuration("touch", "/ran")
    with_hooks(spec, **{stage: hook("exit 3")}, poststop=[*hook("exit 1"), *hook(f"cat > {log}")])
    done = runtime.run(spec)
    assert done.returncode == 1
    assert f"run the {stage} hook `/bin/sh`: exit status 3" in done.stderr
    assert runtime.leftovers() == []
    assert not os.path.exists(f"{runtime.rootfs}/ran")
    with open(log) as file:
        state = json.load(file)
    assert (state["status"], state["pid"]) == ("stopped", 0)


def test_a_hook_out_of_time_is_killed_with_what_it_started(runtime: Runtime) -> None:
    pid_file = f"{runtime.directory}/pid"
    spec = with_hooks(configuration("true"), createRuntime=hook(f"sleep 601 & echo $! > {pid_file}; wait", timeout=1))
    done = runtime.run(spec)
    assert "run the createRuntime hook `/bin/sh`: still running after 1 s" in done.stderr
    with open(pid_file) as file:
        pid = int(file.read())
    eventually(lambda: not is_alive(pid))


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().split()[2] != "Z"
    except OSError:
        return False


def test_a_hook_killed_by_a_signal_and_one_that_cannot_be_run(runtime: Runtime) -> None:
    spec = with_hooks(configuration("true"), createContainer=hook("kill -TERM $$"))
    assert f"killed by signal {int(signal.SIGTERM)}" in runtime.run(spec).stderr
    path = f"{runtime.directory}/script"
    with open(path, "w") as file:
        file.write("#!/no/interpreter\n")
    os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR | stat.S_IXOTH)
    assert (
        f"run the prestart hook `{path}`: No such file"
        in runtime.run(with_hooks(configuration("true"), prestart=[{"path": path}])).stderr
    )
    for wrong, message in (
        ({"path": "true"}, "hooks.prestart[0].path is not an absolute path"),
        ({"path": "/bin/true", "args": [""]}, "hooks.prestart[0].args[0] is empty"),
        ({"path": "/bin/true", "env": ["A=1", "B"]}, "hooks.prestart[0].env[1] is not of the form KEY=VALUE: `B`"),
    ):
        assert message in runtime.run(with_hooks(configuration("true"), prestart=[wrong])).stderr
