"""The process that passes published ports on: from this network namespace to a server in another one."""

from __future__ import annotations

import hashlib
import marshal
import os
import resource
import signal
import socket
import struct
import subprocess
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime.netlink import namespace, route
from runtime.netlink.message import ROUTE, Netlink
from runtime.publisher import start
from runtime.publisher.process import Publisher
from tests.fixtures.monitor import eventually, rests

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

# What a server does with a connection, by its port.
SERVER = """
    import socket, socketserver, struct, sys, hashlib
    class Echo(socketserver.BaseRequestHandler):
        def handle(self):
            while data := self.request.recv(1 << 16):
                self.request.sendall(data)
    class Digest(socketserver.BaseRequestHandler):
        def handle(self):
            seen = hashlib.sha256()
            while data := self.request.recv(1 << 16):
                seen.update(data)
            self.request.sendall(seen.digest())
    class First(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.sendall(b"bye")
            self.request.shutdown(socket.SHUT_WR)
            data = b""
            while more := self.request.recv(1 << 16):
                data += more
            sys.stdout.write(data.decode() + "\\n")
            sys.stdout.flush()
    class Reset(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(1)
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.request.close()
    class Server(socketserver.ThreadingTCPServer):
        request_queue_size = 1024
        daemon_threads = True
        allow_reuse_address = True
        def shutdown_request(self, request):
            self.close_request(request)
    class Datagrams(socketserver.BaseRequestHandler):
        def handle(self):
            self.request[1].sendto(self.request[0] + b"!", self.client_address)
    import threading
    socketserver.UDPServer.max_packet_size = 65535
    made = [Server(("127.0.0.1", 80 + n), kind) for n, kind in enumerate((Echo, Digest, First, Reset))]
    made.append(socketserver.UDPServer(("127.0.0.1", 80), Datagrams))
    for server in made:
        threading.Thread(target=server.serve_forever).start()
    print("ready", flush=True)
"""
ECHO, DIGEST, FIRST, RESET, NOBODY = 80, 81, 82, 83, 84


@pytest.fixture
def inside() -> Iterator[int]:
    """The descriptor of a network namespace with loopback."""

    def furnish() -> int:
        links = Netlink.open(ROUTE)
        links.send([route.set_up(1)])
        links.close()
        return os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    fd = namespace.make(furnish)
    yield fd
    os.close(fd)


@pytest.fixture
def place(tmp_path: Path) -> bytes:
    """The file that tells where the server is."""
    path = tmp_path / "place"
    path.write_bytes(marshal.dumps((["127.0.0.1"], []), 2))
    return os.fsencode(path)


@pytest.fixture
def server(inside: int) -> Iterator[subprocess.Popen[bytes]]:
    argv = ["nsenter", f"--net=/proc/{os.getpid()}/fd/{inside}", "/usr/bin/python3", "-c", textwrap.dedent(SERVER)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.kill()


@pytest.fixture
def publish(inside: int, server: object, place: bytes) -> Iterator[Callable[..., tuple[tuple[str, int], int]]]:
    """Publish a port of the server; return the address on this side, and the process."""
    started: list[Publisher] = []

    def act(port: int, kind: int = socket.SOCK_STREAM) -> tuple[tuple[str, int], int]:
        listener = socket.socket(socket.AF_INET, kind)
        listener.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            listener.listen(1024)
        started.append(start.start([(listener.fileno(), port)], place, inside))
        address = listener.getsockname()
        listener.detach()
        return address, started[-1].pid

    yield act
    for publisher in started:
        publisher.end()


Publish = Callable[..., tuple[tuple[str, int], int]]


def receive(end: socket.socket) -> bytes:
    return b"".join(iter(lambda: end.recv(1 << 18), b""))


def ask(address: tuple[str, int]) -> bytes:
    with socket.create_connection(address, timeout=30) as end:
        end.sendall(b"word")
        return end.recv(10)


def test_many_bytes_both_ways(publish: Publish) -> None:
    address, _ = publish(ECHO)
    content = os.urandom(1 << 20) * 32
    with socket.create_connection(address, timeout=60) as end:

        def send() -> None:
            end.sendall(content)
            end.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        assert hashlib.sha256(receive(end)).digest() == hashlib.sha256(content).digest()
        sender.join()


def test_the_end_of_one_direction_leaves_the_other(publish: Publish, server: subprocess.Popen[bytes]) -> None:
    address, _ = publish(DIGEST)
    with socket.create_connection(address, timeout=30) as end:
        end.sendall(b"word")
        end.shutdown(socket.SHUT_WR)
        assert receive(end) == hashlib.sha256(b"word").digest()
    address, _ = publish(FIRST)
    with socket.create_connection(address, timeout=30) as end:
        assert receive(end) == b"bye"
        end.sendall(b"after the end")
    assert server.stdout is not None
    assert server.stdout.readline() == b"after the end\n"


def test_what_is_refused_or_reset_in_there_is_reset_here(publish: Publish) -> None:
    for port in (NOBODY, RESET):
        address, _ = publish(port)
        with pytest.raises(ConnectionResetError):
            ask(address)


def test_a_client_that_is_reset_ends_the_connection_in_there(publish: Publish) -> None:
    address, pid = publish(ECHO)
    before = len(os.listdir(f"/proc/{pid}/fd"))
    end = socket.create_connection(address, timeout=30)
    end.sendall(b"word")
    assert end.recv(10) == b"word"
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()
    deadline = time.monotonic() + 30
    # Pipes that are spare now may stay.
    while len(os.listdir(f"/proc/{pid}/fd")) > before + 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(os.listdir(f"/proc/{pid}/fd")) <= before + 4


def test_many_connections_of_which_some_are_slow(publish: Publish) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))
    address, pid = publish(ECHO)
    slow = [socket.create_connection(address, timeout=30) for _ in range(4)]
    for end in slow:  # who reads nothing of what comes back
        end.setblocking(False)
        try:
            while True:
                end.send(b"x" * 65536)
        except BlockingIOError:
            pass
    ends = [socket.create_connection(address, timeout=60) for _ in range(600)]
    for number, end in enumerate(ends):
        end.sendall(b"%d" % number)
    for number, end in enumerate(ends):
        assert end.recv(10) == b"%d" % number
    for end in [*ends, *slow]:
        end.close()
    with open(f"/proc/{pid}/smaps_rollup") as file:
        pss = next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    assert pss < 10_000, f"{pss} KiB"
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_nothing_is_done_while_nothing_comes(publish: Publish) -> None:
    address, pid = publish(ECHO)
    with socket.create_connection(address, timeout=30) as end, socket.create_connection(address, timeout=30) as half:
        half.shutdown(socket.SHUT_WR)
        end.sendall(b"word")
        end.recv(10)
        eventually(lambda: rests(pid))
        before = _ticks(pid)
        time.sleep(1)
        assert _ticks(pid) - before <= 1


def _ticks(pid: int) -> int:
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_datagrams_of_several_clients(publish: Publish) -> None:
    address, _ = publish(ECHO, socket.SOCK_DGRAM)
    ends = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(20)]
    for number, end in enumerate(ends):
        end.settimeout(30)
        end.connect(address)
        end.send(b"%d" % number)
    for number, end in enumerate(ends):
        assert end.recv(100) == b"%d!" % number
    ends[0].send(b"x" * 60_000)
    assert len(ends[0].recv(65535)) == 60_001
    for end in ends:
        end.close()


def test_it_follows_a_container_that_moves(publish: Publish, place: bytes) -> None:
    address, _ = publish(ECHO)
    for addresses, known in (([], False), (["127.0.0.1"], True), (["127.0.0.2"], False)):
        move(place, *addresses)
        if known:
            assert ask(address) == b"word"
        else:
            with pytest.raises(ConnectionResetError):
                ask(address)


def test_datagrams_follow_a_container_that_moves(publish: Publish, place: bytes) -> None:
    address, _ = publish(ECHO, socket.SOCK_DGRAM)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.connect(address)
        for where, answered in (("127.0.0.2", False), ("127.0.0.1", True), ("127.0.0.2", False)):
            move(place, where)
            end.settimeout(30 if answered else 0.2)
            end.send(b"word")
            try:
                assert (end.recv(10), answered) == (b"word!", True)
            except TimeoutError:
                assert not answered


def move(place: bytes, *addresses: str) -> None:
    """Tell that the container is elsewhere."""
    with open(place + b".new", "wb") as file:
        file.write(marshal.dumps((list(addresses), []), 2))
    os.rename(place + b".new", place)


def test_it_dies_with_who_started_it(inside: int, server: object, place: bytes) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    read, write = os.pipe()
    parent = os.fork()
    if parent == 0:
        os.write(write, b"%d" % start.start([(listener.fileno(), ECHO)], place, inside).pid)
        time.sleep(60)
        os._exit(0)
    pid = int(os.read(read, 20))
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    deadline = time.monotonic() + 30
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not os.path.exists(f"/proc/{pid}")
    listener.close()
