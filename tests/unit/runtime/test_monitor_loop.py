import os
import time
from collections.abc import Iterator
from socket import AF_UNIX, SOCK_SEQPACKET, socketpair

import pytest

from runtime.monitor.clients import Client
from runtime.monitor.log import Log
from runtime.monitor.loop import Loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    """A loop whose container is a process that ends at once with code 3."""
    loop = Loop()
    loop.log = Log(b"")
    loop.stdout, write_end = os.pipe()
    loop.pid = os.fork()
    if loop.pid == 0:
        os.write(write_end, b"text")
        os._exit(3)
    os.close(write_end)
    os.set_blocking(loop.stdout, False)
    loop.pidfd = os.pidfd_open(loop.pid)
    yield loop
    for fd in loop.fds():
        os.close(fd)


def test_serves_to_the_end(loop: Loop) -> None:
    ours, theirs = socketpair(AF_UNIX, SOCK_SEQPACKET)
    with theirs:
        loop.clients = [Client(ours.detach())]
        assert loop.serve(None)
        loop.drain()
        loop.flush_clients()
        assert loop.status == 3 << 8
        assert theirs.recv(100) == b"\x02text"


def test_end_before_the_loop_begins_is_seen(loop: Loop) -> None:
    loop.status = 0
    assert loop.serve(None)
    os.waitpid(loop.pid, 0)


def test_deadline(loop: Loop) -> None:
    child, loop.pidfd = loop.pidfd, os.pidfd_open(os.getpid())
    assert not loop.serve(time.monotonic() + 0.05)
    os.close(child)
    os.waitpid(loop.pid, 0)


def test_bug_of_ours_does_not_lose_the_exit_code(loop: Loop) -> None:
    loop.poller = None  # type: ignore[assignment]
    assert loop.serve(None)
    assert loop.status == 3 << 8


def test_frozen_state_makes_the_same_loop(loop: Loop) -> None:
    loop.id, loop.directory, loop.cgroups, loop.state_dir = "id", b"/d", [b"/c"], b"/s"
    loop.deletion = [b"/usr/bin/runc", b"delete"]
    loop.exit_path, loop.on_exit, loop.unsent, loop.line, loop.stdin_ends = b"/e", [b"/x"], b"input", b"1 2", True
    state = loop.freeze()
    assert Loop.thaw(state).freeze() == state
    os.waitpid(loop.pid, 0)
