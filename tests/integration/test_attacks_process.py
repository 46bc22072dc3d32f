"""What a hostile process that runs in a container tries against those that enter it: `exec`, and shared namespaces."""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.fixtures.attacker import hostile, seen
from tests.fixtures.bundle import Runtime, configuration, with_user_namespace
from tests.fixtures.user import User

_numbers = itertools.count()
_ENTRANCES = 16 if os.environ.get("POD_TEST_QUICK") else 40


@pytest.fixture
def runtime(workplace: str, user: User) -> Iterator[Runtime]:
    # Each `pod-runtime` of an ordinary user is in a user namespace of its own here: exec needs a common one.
    if user.uid:
        pytest.skip("needs root")
    if not os.path.exists("/usr/bin/python3"):
        pytest.skip("needs Debian's Python for the attacker")
    made = Runtime(f"{workplace}/process{next(_numbers)}-{user.name}", user)
    yield made
    assert made.leftovers() == []


@pytest.fixture
def interpreter(runtime: Runtime) -> Iterator[str]:
    """The program that the runtime runs in; it must be the same afterwards."""
    path = runtime.copy_interpreter()
    before = digest(path)
    yield path
    assert digest(path) == before


def digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def wait_for(condition: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def begin(runtime: Runtime, spec: dict[str, Any]) -> int:
    pid = runtime.start("box", spec)
    wait_for(lambda: ("started", 1) in seen(runtime))
    return pid


# What an entering process is by the time that it can be looked into: the trampoline, or a program of the container.
_PROGRAMS = {"/bin/busybox", "/memfd:pod-exec (deleted)"}
_HARMLESS = ("pipe:", "socket:", "/dev/null", "/memfd:pod-exec")


def check(runtime: Runtime, interpreter: str) -> None:
    found = seen(runtime)
    programs = {value for kind, value in found if kind in ("exe", "traced")}
    # The attacker is Python itself, but does not look at itself.
    assert programs <= _PROGRAMS, programs
    assert interpreter not in programs
    assert {value for kind, value in found if kind in ("cwd", "root")} <= {"/"}
    files = {value for kind, value in found if kind in ("fd", "stolen")}
    assert not [name for name in files if name and not name.startswith(_HARMLESS)], files
    assert not [value for kind, value in found if kind == "written"]


def entrances(taken: Callable[[], object]) -> Iterator[int]:
    """Go on for some, and for more until one of them has been taken: on a busy machine the attacker is slow."""
    for number in range(20 * _ENTRANCES):
        if number >= _ENTRANCES and taken():
            return
        yield number


def enter(runtime: Runtime, *words: str, taken: Callable[[], object] = lambda: True) -> None:
    for number in entrances(taken):
        command = ("sleep", "0.02") if number % 2 else ("/proc/self/exe",)
        runtime("exec", *words, "box", *command)


def test_what_enters_cannot_be_looked_into(runtime: Runtime, interpreter: str) -> None:
    """CVE-2016-9962, CVE-2019-5736: ptrace, descriptors and program of a process that exec brings in."""
    begin(runtime, hostile(runtime))
    try:
        # It has seen them, so that it would have seen more.
        enter(runtime, taken=lambda: [value for kind, value in seen(runtime) if kind == "exe"])
        check(runtime, interpreter)
        assert [value for kind, value in seen(runtime) if kind == "exe"]
    finally:
        runtime("delete", "--force", "box")


def test_what_enters_with_no_new_privileges_cannot_be_looked_into(runtime: Runtime, interpreter: str) -> None:
    spec = hostile(runtime, noNewPrivileges=True)
    spec["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW"}
    begin(runtime, spec)
    try:
        enter(runtime)
        check(runtime, interpreter)
    finally:
        runtime("delete", "--force", "box")


def test_root_of_a_user_namespace_has_no_hold_on_what_enters(runtime: Runtime, interpreter: str) -> None:
    """In its own namespace the attacker may trace everything: but what enters was not born there."""
    spec = with_user_namespace(hostile(runtime))
    for names in spec["process"]["capabilities"].values():
        names += ["CAP_SYS_PTRACE", "CAP_SYS_ADMIN"]
    begin(runtime, spec)
    try:
        enter(runtime)
        check(runtime, interpreter)
    finally:
        runtime("delete", "--force", "box")


@pytest.mark.parametrize("kind", ["host's users", "user namespace"])
def test_a_container_in_the_same_pid_namespace_has_no_hold_on_another(
    runtime: Runtime, interpreter: str, kind: str
) -> None:
    pid = begin(runtime, hostile(runtime))
    try:
        for number in range(20):
            spec = configuration("sleep", "0.02")
            if kind == "user namespace":
                # Its owner is the attacker's user, who therefore has every capability in it.
                spec = with_user_namespace(spec)
                spec["mounts"][0] = {**spec["mounts"][0], "type": "tmpfs", "destination": "/tmp"}
                spec["linux"].update(maskedPaths=[], readonlyPaths=[])
            for namespace in spec["linux"]["namespaces"]:
                if namespace["type"] == "pid":
                    namespace["path"] = f"/proc/{pid}/ns/pid"
            runtime.configure(spec)
            done = runtime("run", f"other{number}")
            # The attacker kills what it may trace: the container's program.
            assert done.returncode in (0, 137), done.stderr
        check(runtime, interpreter)
    finally:
        runtime("delete", "--force", "box")


WRITE = r"""
import os
open("/seen", "w").write('["started", 1]\n')
kept = {}
while True:
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                fd = os.open(f"/proc/{name}/exe", os.O_PATH)
            except OSError:
                continue
            # Of what was opened: between two looks at a process it may have become the container's own program.
            program = os.readlink(f"/proc/self/fd/{fd}")
            if program in kept or "busybox" in program:
                os.close(fd)
            else:
                kept[program] = fd
                open("/seen", "a").write('["held", "%s"]\n' % program)
    # While it runs that fails with ETXTBSY: so try for ever.
    for program, fd in kept.items():
        for flags in (os.O_WRONLY, os.O_WRONLY | os.O_TRUNC):
            try:
                writing = os.open(f"/proc/self/fd/{fd}", flags)
            except OSError:
                continue
            try:
                os.write(writing, b"#!/bin/owned")
                open("/seen", "a").write('["written", "%s"]\n' % program)
            except OSError:
                pass
            os.close(writing)
"""


def test_the_program_of_what_enters_cannot_be_written(runtime: Runtime, interpreter: str) -> None:
    """CVE-2019-5736 as it was published: open /proc/PID/exe for writing while and after it runs."""
    begin(runtime, hostile(runtime, WRITE))
    try:
        enter(runtime, taken=lambda: ("held", "/memfd:pod-exec (deleted)") in seen(runtime))
        time.sleep(0.5)
        found = seen(runtime)
        assert not [value for kind, value in found if kind == "written"]
        # It has had it, so that it would have written it.
        assert ("held", "/memfd:pod-exec (deleted)") in found
    finally:
        runtime("delete", "--force", "box")


@pytest.mark.parametrize("kind", ["plain", "seccomp", "filter before capabilities", "user namespace"])
def test_exec_of_the_own_program_is_the_trampoline(runtime: Runtime, kind: str) -> None:
    """CVE-2019-5736: `exec /proc/self/exe`, and a script with that interpreter, run nothing of the host's."""
    spec = configuration("sleep", "600", noNewPrivileges=kind == "seccomp")
    if "filter" in kind or kind == "seccomp":
        rules = [{"names": ["execveat"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.ENOSYS}]
        spec["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}
    if kind == "user namespace":
        spec = with_user_namespace(spec)
    script = f"{runtime.rootfs}/bin/script"
    with open(script, "w") as file:
        file.write("#!/proc/self/exe\nprint('python')\n")
    os.chmod(script, 0o755)
    runtime.start("box", spec)
    try:
        for command in ("/proc/self/exe", "/bin/script", "/proc/self/../self/exe", "/proc/thread-self/exe"):
            done = runtime("exec", "box", command)
            assert (done.returncode, done.stdout) == (127, ""), (command, done)
        for word in ("-c", "--version", "-m", "/bin/script"):
            done = runtime("exec", "box", "/proc/self/exe", word)
            assert (done.returncode, done.stdout) == (127, ""), done
    finally:
        runtime("delete", "--force", "box")


def test_exec_enters_no_descriptor_of_the_host(runtime: Runtime) -> None:
    """CVE-2024-21626: whatever number a working directory names, and whatever the caller has left open."""
    runtime.start("box", configuration("sleep", "600"))
    left = [os.open("/sys/fs/cgroup", os.O_RDONLY), os.open("/etc", os.O_RDONLY)]
    try:
        for fd in left:
            os.set_inheritable(fd, True)
        for number in (*range(3, 24), *left):
            path = f"/proc/self/fd/{number}"
            done = runtime("exec", "--cwd", path, "box", "ls", "../../../../etc/shadow", pass_fds=left)
            assert done.returncode == 1, (number, done.stdout)
            assert "change to the working directory" in done.stderr
        done = runtime("exec", "box", "ls", "-l", "/proc/self/fd", pass_fds=left)
        # 3 is what ls itself opened.
        assert {line.split(" -> ")[0].split()[-1] for line in done.stdout.splitlines() if "->" in line} <= set("0123")
    finally:
        for fd in left:
            os.close(fd)
        runtime("delete", "--force", "box")


@pytest.mark.parametrize("verb", ["run", "exec"])
def test_gaps_in_the_descriptors_to_preserve_are_not_filled_with_ours(runtime: Runtime, verb: str) -> None:
    """CVE-2024-21626's kin: `--preserve-fds` beyond what the caller has opened."""
    runtime.start("box", configuration("sleep", "600"))
    script = "for i in /proc/self/fd/*; do readlink $i; done"
    try:
        for count in ("1", "8", "40"):
            if verb == "run":
                runtime.configure(configuration("sh", "-c", script))
                done = runtime("run", "--preserve-fds", count, "other")
            else:
                done = runtime("exec", "--preserve-fds", count, "box", "sh", "-c", script)
            assert done.returncode == 1, done
            assert "is not open" in done.stderr
    finally:
        runtime("delete", "--force", "box")


HIJACK = r"""
import array, ctypes, json, os, socket
libc = ctypes.CDLL(None, use_errno=True)
open("/seen", "w").write('["started", 1]\n')
ERROR = b'["error", ["SpecError", "hijacked", ""]]'
MESSAGES = (b"x", b'["error", null]', b'["error", [1, 2, 3]]', ERROR, b'["terminal", null]', b'["pid", 1]')
count = 0
while True:
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        pidfd = libc.syscall(434, int(name), 0)
        for number in range(3, 12):
            fd = libc.syscall(438, pidfd, number, 0)
            if fd >= 0:
                try:
                    end = socket.socket(fileno=fd)
                    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))]
                    end.sendmsg([MESSAGES[count % len(MESSAGES)]], rights, socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)
                    count += 1
                    open("/seen", "a").write('["sent", %d]\n' % count)
                    end.close()
                except OSError:
                    pass
        if pidfd >= 0:
            os.close(pidfd)
"""


def test_what_a_hijacked_channel_says_is_no_more_than_an_error(runtime: Runtime) -> None:
    """The trampoline can be looked into, and has the way to the runtime open: which believes nothing of it."""
    begin(runtime, hostile(runtime, HIJACK))
    try:
        for _number in entrances(lambda: [count for kind, count in seen(runtime) if kind == "sent"]):
            done = runtime("exec", "box", "true")
            assert "Traceback" not in done.stderr, done.stderr
            assert done.returncode in (0, 1), done
        assert [count for kind, count in seen(runtime) if kind == "sent"], "the channel was never taken"
    finally:
        runtime("delete", "--force", "box")
