"""The resolver in a network namespace of another process, answering what the C library there asks."""

import errno
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime import process
from runtime.monitor import names, resolver_sockets
from runtime.monitor.names import Entry
from runtime.monitor.resolver import ADDRESS, PORT, Resolver, Settings
from runtime.netlink import rewriting

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="enters network namespaces")]
ASK = (
    "import socket, sys\n"
    "end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
    "end.settimeout(60)\n"
    "end.sendto(bytes.fromhex(sys.argv[1]), ('127.0.0.11', 53))\n"
    "print(end.recv(512).hex())\n"
)
QUERY = bytes.fromhex("000501000001000000000000") + b"\3web\0\0\1\0\1"


@pytest.fixture
def holder() -> Iterator[int]:
    """Give a process with a network namespace of its own, and a loopback device that is up."""
    command = ["unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec sleep 600"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"up\n"
        yield running.pid
        running.kill()


@pytest.mark.parametrize("returns", [True, False], ids=["itself", "child"])
def test_names_are_answered_in_the_namespace(
    holder: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, returns: bool
) -> None:
    home = os.stat("/proc/self/ns/net").st_ino
    monkeypatch.setattr(resolver_sockets, "_may_return", lambda _home: returns)
    resolver = Resolver(*resolver_sockets.open_in(f"/proc/{holder}/ns/net"), Settings([bytes(tmp_path)]))
    try:
        assert os.stat("/proc/self/ns/net").st_ino == home
        assert all(not os.get_inheritable(fd) and not os.get_blocking(fd) for fd in resolver.fds())
        entry = Entry(os.getpid(), process.start_time(os.getpid()) or 0, ["10.89.0.2"], ["web"])
        names.write(bytes(tmp_path / "a"), entry)
        assert ask(resolver, holder).endswith(bytes((10, 89, 0, 2)))
        # Where somebody has our port already, another one will do: whoever opened last is asked.
        second = Resolver(*resolver_sockets.open_in(f"/proc/{holder}/ns/net"), Settings([bytes(tmp_path)]))
        try:
            assert ask(second, holder).endswith(bytes((10, 89, 0, 2)))
        finally:
            for fd in second.detach():
                os.close(fd)
        assert os.stat("/proc/self/ns/net").st_ino == home
    finally:
        for fd in resolver.detach():
            os.close(fd)


@pytest.mark.parametrize("returns", [True, False], ids=["itself", "child"])
def test_a_kernel_that_rewrites_nothing(
    holder: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, returns: bool
) -> None:
    def refused(*_arguments: object) -> None:
        raise OSError(errno.EPROTONOSUPPORT, "")

    monkeypatch.setattr(resolver_sockets, "_may_return", lambda _home: returns)
    monkeypatch.setattr(rewriting, "rewrite", refused)
    resolver = Resolver(
        *resolver_sockets.open_in(f"/proc/{holder}/ns/net"), Settings([bytes(tmp_path)], hosts={"web": ["10.89.0.3"]})
    )
    try:
        assert ask(resolver, holder).endswith(bytes((10, 89, 0, 3)))
        with pytest.raises(Exception, match=f"answering names on {ADDRESS} port {PORT} of the container: address"):
            resolver_sockets.open_in(f"/proc/{holder}/ns/net")
    finally:
        for fd in resolver.detach():
            os.close(fd)


def ask(resolver: Resolver, holder: int) -> bytes:
    """Have a process in the namespace ask for the address of `web`; return what it heard."""
    command = ["nsenter", f"--net=/proc/{holder}/ns/net", sys.executable, "-ISc", ASK, QUERY.hex()]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as asking:
        end = time.monotonic() + 60
        while asking.poll() is None and time.monotonic() < end:
            for fd in select.select([fd for fd, _ in resolver.waits_for()], [], [], 0.05)[0]:
                resolver.heard(fd, select.POLLIN)
        assert asking.stdout is not None
        return bytes.fromhex(asking.stdout.read().decode())
