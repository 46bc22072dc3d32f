"""pasta for a network namespace, as the monitor starts it: by an ordinary user, on a host of the tests' own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.fixtures.command import SOURCE
from tests.fixtures.nethost import HOST, TestHost, nethost
from tests.fixtures.user import User

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
# Runs as root of a user namespace: starts pasta for a network namespace of its own making.
SCRIPT = """
import ctypes, os, signal, sys
sys.path.insert(0, sys.argv[1])
from runtime.errors import OCIRuntimeError
from runtime.monitor import pasta

def in_namespace(*command):
    if os.fork() == 0:
        libc.setns(made, 0x40000000)
        os.execvp(command[0], command)
    os.wait()

libc = ctypes.CDLL(None, use_errno=True)
ours, theirs = os.pipe()
holder = os.fork()
if holder == 0:
    libc.unshare(0x40000000)
    os.write(theirs, b".")
    signal.pause()
os.read(ours, 1)
made = os.open(f"/proc/{holder}/ns/net", os.O_RDONLY)
os.kill(holder, 9)
os.wait()
quiet = ["--config-net", "--quiet", "-t", "none", "-u", "none", "-T", "none", "-U", "none"]
"""
ENDED = """
one = pasta.start("/usr/bin/pasta", quiet, made)
print("pid", one.pid, flush=True)
in_namespace("ip", "-o", "-4", "address", "show", "up0")
again = pasta.Pasta.thaw(one.freeze())
print("fds", again.fds() == [one.pidfd])
print("status", again.end())
print("left", os.path.exists(f"/proc/{one.pid}"), flush=True)
in_namespace("ip", "-o", "link", "show", "up0")
"""
REFUSED = """
for program, options in (("/usr/bin/pasta", [*quiet, "--mtu", "-1"]), ("/nowhere/pasta", quiet)):
    try:
        pasta.start(program, options, made)
    except OCIRuntimeError as error:
        print(error)
print(os.listdir("/proc/self/task"), os.path.exists(f"/proc/{os.getpid()}/task/{os.getpid()}/children"))
print("children", open(f"/proc/self/task/{os.getpid()}/children").read())
"""
KILLED = """
print(pasta.start("/usr/bin/pasta", quiet, made).pid, flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def host() -> Iterator[TestHost]:
    with nethost() as made:
        yield made


def run(host: TestHost, user: User, script: str) -> subprocess.CompletedProcess[str]:
    identity = [f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups"]
    command = [
        *host.prefix,
        "setpriv",
        *identity,
        "unshare",
        "--user",
        "--map-root-user",
        os.path.realpath(sys.executable),
    ]
    return subprocess.run(
        [*command, "-c", SCRIPT + script, SOURCE], capture_output=True, text=True, timeout=60, check=False
    )


def test_it_connects_and_ends(host: TestHost, ordinary_user: User) -> None:
    done = run(host, ordinary_user, ENDED)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("pid "), done
    assert f"inet {HOST}/24" in lines[1]
    assert lines[2:] == ["fds True", "status 9", "left False"]
    assert "does not exist" in done.stderr


def test_what_it_refuses_is_told(host: TestHost, ordinary_user: User) -> None:
    done = run(host, ordinary_user, REFUSED)
    assert "pasta failed with exit code 1:\nInvalid MTU: -1" in done.stdout, done
    assert "pasta failed with exit code 127:\n/nowhere/pasta: no such file or directory" in done.stdout
    assert done.stdout.endswith("children \n")


def test_it_dies_with_its_parent(host: TestHost, ordinary_user: User) -> None:
    done = run(host, ordinary_user, KILLED)
    assert done.returncode == -9, done.stderr
    pid = int(done.stdout)
    deadline = time.monotonic() + 30
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not os.path.exists(f"/proc/{pid}")
