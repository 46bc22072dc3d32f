"""SCMP_ACT_NOTIFY with a real agent: it gets the listener and decides, in create, run and exec."""

from __future__ import annotations

import base64
import copy
import errno
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime import seccomp
from tests.fixtures.agent import NUMBERS, Agent
from tests.fixtures.bundle import Runtime, configuration, with_user_namespace
from tests.fixtures.command import Pod


@pytest.fixture
def agent(runtime: Runtime) -> Iterator[Agent]:
    made = Agent(f"{runtime.directory}/agent")
    yield made
    made.close()


@pytest.fixture(params=[True, False], ids=["no-new-privileges", "privileges"])
def no_new_privileges(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def notifying(agent: Agent, *names: str, args: list[str], **process: Any) -> dict[str, Any]:
    spec = configuration(*args, **process)
    rules = [{"names": list(names), "action": "SCMP_ACT_NOTIFY"}]
    spec["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "listenerPath": agent.path,
        "listenerMetadata": "of the test",
        "syscalls": rules,
    }
    return spec


def test_the_agent_answers_for_the_kernel(runtime: Runtime, agent: Agent, no_new_privileges: bool) -> None:
    agent.answers = {"mkdir": (0, errno.EXDEV), "uname": (0, 0)}
    script = "mkdir /made; ls -d /made; mkdir -p /tmp; true"
    spec = notifying(agent, "mkdir", args=["sh", "-c", script], noNewPrivileges=no_new_privileges)
    done = runtime.run(spec)
    assert "Invalid cross-device link" in done.stderr, done
    assert "/made: No such file" in done.stderr
    assert agent.calls[0] == "mkdir"
    (document,) = agent.documents
    assert document["fds"] == ["seccompFd"]
    assert document["metadata"] == "of the test"
    assert document["ociVersion"]
    state = document["state"]
    assert (state["id"], state["status"], state["bundle"]) == ("box", "created", runtime.bundle)
    assert state["pid"] == document["pid"] > 1


def test_a_call_that_goes_on_is_made(runtime: Runtime, agent: Agent, no_new_privileges: bool) -> None:
    spec = notifying(agent, "mkdir", args=["mkdir", "/made"], noNewPrivileges=no_new_privileges)
    assert runtime.run(spec).returncode == 0
    assert os.path.isdir(f"{runtime.rootfs}/made")
    assert agent.calls == ["mkdir"]


EVERYTHING = sorted(NUMBERS.keys() - {"write", "exit", "exit_group", "restart_syscall", "rt_sigreturn"})


@pytest.mark.parametrize(
    "names",
    [["sendmsg", "sendto"], ["execve", "execveat"], ["close", "close_range", "fcntl"], ["execve"], EVERYTHING],
    ids=lambda names: ",".join(names) if len(names) < 4 else "everything",
)
def test_no_call_makes_it_hang(runtime: Runtime, agent: Agent, names: list[str], no_new_privileges: bool) -> None:
    spec = notifying(agent, *names, args=["id", "-u"], noNewPrivileges=no_new_privileges)
    done = runtime.run(spec)
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr
    wait_for(lambda: len(agent.documents) == 1)
    if "execve" in names:
        assert "execve" in agent.calls


def test_the_process_that_is_told_is_the_container(as_root: Runtime, agent: Agent, no_new_privileges: bool) -> None:
    spec = notifying(agent, "chdir", args=["sh", "-c", "cd /tmp; exec sleep 600"], noNewPrivileges=no_new_privileges)
    as_root.configure(spec)
    assert as_root("create", "box", stdout=-3, stderr=-3).returncode == 0
    assert as_root("start", "box").returncode == 0
    try:
        state = json.loads(as_root("state", "box").stdout)
        wait_for(lambda: agent.calls)
        assert agent.documents[0]["pid"] == agent.pids[0] == state["pid"]
        wait_for(lambda: Path(f"/proc/{state['pid']}/comm").read_text() == "sleep\n")
        # Neither the listener nor the connection is left to the container.
        links = [os.readlink(f"/proc/{state['pid']}/fd/{name}") for name in os.listdir(f"/proc/{state['pid']}/fd")]
        assert not [link for link in links if "seccomp" in link or "socket" in link], links
    finally:
        as_root("delete", "--force", "box")


def test_namespaces_that_are_new_or_joined(as_root: Runtime, agent: Agent, no_new_privileges: bool) -> None:
    spec = notifying(agent, "mkdir", args=["mkdir", "/tmp/made"], noNewPrivileges=no_new_privileges)
    agent.answers = {"mkdir": (0, errno.EDOM)}
    assert "Numerical argument" in as_root.run(with_user_namespace(copy.deepcopy(spec))).stderr
    pid = as_root.start("other", configuration("sleep", "600"))
    try:
        for namespace in spec["linux"]["namespaces"]:
            if namespace["type"] in ("pid", "network", "ipc"):
                name = namespace["type"].removesuffix("work")
                namespace["path"] = f"/proc/{pid}/ns/{name}"
        assert "Numerical argument" in as_root.run(spec).stderr
    finally:
        as_root("delete", "--force", "other")
    assert [document["pid"] for document in agent.documents] == agent.pids


def wait_for(condition: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_created_container_waits_with_its_listener(as_root: Runtime, agent: Agent, no_new_privileges: bool) -> None:
    """Nobody of `create` is left but the process and its twin; without `start` both end with `delete`."""
    as_root.configure(notifying(agent, "mkdir", args=["mkdir", "/made"], noNewPrivileges=no_new_privileges))
    assert as_root("create", "box", stdout=-3, stderr=-3).returncode == 0
    pid = json.loads(as_root("state", "box").stdout)["pid"]
    assert not agent.documents
    assert as_root("delete", "--force", "box").returncode == 0
    wait_for(lambda: not os.path.exists(f"/proc/{pid}"))
    wait_for(lambda: not processes_of(as_root))
    assert not agent.documents


def processes_of(runtime: Runtime) -> list[str]:
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                with open(f"/proc/{name}/cmdline") as file:
                    if runtime.directory in file.read():
                        found.append(name)
            except OSError:
                pass
    return found


def test_exec_has_a_listener_of_its_own(as_root: Runtime, agent: Agent, no_new_privileges: bool) -> None:
    spec = notifying(agent, "mkdir", "execve", args=["sleep", "600"], noNewPrivileges=no_new_privileges)
    as_root.start("box", spec)
    try:
        agent.answers = {"mkdir": (0, errno.EDOM)}
        done = as_root("exec", "box", "mkdir", "/made")
        assert "Numerical argument" in done.stderr, done
        assert done.returncode == 1
        first, second = agent.documents
        assert second["state"]["status"] == "running"
        assert second["state"]["pid"] == first["pid"] != second["pid"]
        assert agent.pids[-1] == second["pid"]
        assert as_root("exec", "box", "missing").returncode == 1
    finally:
        as_root("delete", "--force", "box")


def test_agents_that_are_not_there(runtime: Runtime, no_new_privileges: bool) -> None:
    spec = configuration("true", noNewPrivileges=no_new_privileges)
    rules = [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}
    spec["linux"]["seccomp"] = profile
    assert "needs a listenerPath" in runtime.run(spec).stderr
    profile["listenerPath"] = f"{runtime.directory}/nobody"
    done = runtime.run(spec)
    assert done.returncode == 1
    assert "connect to the seccomp agent" in done.stderr


def test_an_agent_that_hangs_up_ends_the_container(runtime: Runtime, no_new_privileges: bool) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        path = f"{runtime.directory}/agent"
        server.bind(path)
        os.chmod(path, 0o777)
        server.listen()
        spec = configuration("touch", "/ran", noNewPrivileges=no_new_privileges)
        rules = [{"names": ["execve", "execveat"], "action": "SCMP_ACT_NOTIFY"}]
        spec["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": path, "syscalls": rules}
        runtime.configure(spec)
        started = runtime.begin("run", "box")
        server.accept()[0].close()
        _output, errors = started.communicate(timeout=60)
    assert started.returncode == 1
    assert "send the seccomp listener to its agent: Broken pipe" in errors
    assert not os.path.exists(f"{runtime.rootfs}/ran")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"names": ["read", "write"], "action": "SCMP_ACT_NOTIFY"}, "cannot be used for write"),
        (None, "cannot be the default action"),
    ],
)
def test_what_cannot_be_notified(runtime: Runtime, agent: Agent, rule: Any, message: str) -> None:
    spec = notifying(agent, "mkdir", args=["true"])
    if rule:
        spec["linux"]["seccomp"]["syscalls"] = [rule]
    else:
        spec["linux"]["seccomp"]["defaultAction"] = "SCMP_ACT_NOTIFY"
    done = runtime.run(spec)
    assert done.returncode == 1
    assert message in done.stderr
    assert not agent.documents


@pytest.mark.parametrize("flag", ["TSYNC", "LOG", "SPEC_ALLOW", "WAIT_KILLABLE_RECV"])
def test_flags_with_and_without_a_listener(runtime: Runtime, agent: Agent, flag: str, no_new_privileges: bool) -> None:
    spec = notifying(agent, "mkdir", args=["mkdir", "/made"], noNewPrivileges=no_new_privileges)
    spec["linux"]["seccomp"]["flags"] = [f"SECCOMP_FILTER_FLAG_{flag}"]
    assert runtime.run(spec).returncode == 0
    assert agent.calls == ["mkdir"]
    spec["linux"]["seccomp"]["syscalls"][0]["action"] = "SCMP_ACT_ERRNO"
    spec["process"]["args"][1] = "/more"
    assert runtime.run(spec).returncode == 1


def test_the_engine_passes_it_on(box: Pod, busybox: str) -> None:
    """`--security-opt seccomp=FILE`, in run and exec, below the monitor."""
    agent = Agent(f"{box.directory}/agent")
    try:
        rules = [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]
        profile = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": agent.path, "syscalls": rules}
        path = f"{box.directory}/profile.json"
        with open(path, "w") as file:
            json.dump(profile, file)
        os.chmod(path, 0o644)
        agent.answers = {"mkdir": (0, errno.EDOM)}
        option = ("--security-opt", f"seccomp={path}")
        done = box.run("run", "--rm", *option, busybox, "mkdir", "/made", check=False)
        assert "Numerical argument" in done.stderr, done
        box.run("run", "-d", "--name", "c", *option, busybox, "sleep", "1000")
        done = box.run("exec", "c", "mkdir", "/made", check=False)
        assert "Numerical argument" in done.stderr, done
        wait_for(lambda: len(agent.documents) == 3)
        assert sorted(each["state"]["status"] for each in agent.documents) == ["created", "created", "running"]
        box.run("rm", "-f", "-t", "0", "c")
    finally:
        agent.close()


# crun's annotations


def test_receiver_by_annotation(runtime: Runtime, agent: Agent) -> None:
    spec = notifying(agent, "mkdir", args=["mkdir", "/made"])
    del spec["linux"]["seccomp"]["listenerPath"], spec["linux"]["seccomp"]["listenerMetadata"]
    spec["annotations"] = {"run.oci.seccomp.receiver": agent.path}
    assert runtime.run(spec).returncode == 0
    assert agent.calls == ["mkdir"]


def test_a_filter_by_annotation(runtime: Runtime, no_new_privileges: bool) -> None:
    denying = {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.EDOM}
    program = seccomp.compile_profile({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [denying]})
    spec = configuration("mkdir", "/made", noNewPrivileges=no_new_privileges)
    spec["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW"}
    spec["annotations"] = {"run.oci.seccomp_bpf_data": base64.b64encode(program).decode()}
    assert "Numerical argument" in runtime.run(spec).stderr
    for wrong in ("?", "AAAA", ""):
        spec["annotations"] = {"run.oci.seccomp_bpf_data": wrong}
        assert runtime.run(spec).returncode == int(bool(wrong))


def test_unknown_calls_by_annotation(runtime: Runtime) -> None:
    spec = configuration("true")
    rules = [{"names": ["no_such_call"], "action": "SCMP_ACT_ERRNO"}]
    spec["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}
    assert runtime.run(spec).returncode == 0
    spec["annotations"] = {"run.oci.seccomp_fail_unknown_syscall": "1"}
    assert "unknown system call 'no_such_call'" in runtime.run(spec).stderr
