"""The resolver of names, over real sockets on loopback addresses, with servers of the test's own."""

import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from runtime import dns, process
from runtime.monitor import forwarding, names
from runtime.monitor.names import Entry
from runtime.monitor.resolver import Resolver, Settings

PID = os.getpid()
START = process.start_time(PID) or 0
SERVERS = ("127.0.0.21", "127.0.0.22")


class Machine:
    """A resolver, whoever asks it, and the servers behind it."""

    def __init__(self, settings: Settings) -> None:
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.tcp = socket.socket()
        for end in (self.udp, self.tcp):
            end.bind(("127.0.0.11", 0))
            end.setblocking(False)
        self.tcp.listen()
        self.udp_address, self.tcp_address = self.udp.getsockname(), self.tcp.getsockname()
        self.resolver = Resolver(self.udp.detach(), self.tcp.detach(), settings)

    def spin(self, done: Callable[[], bool], seconds: float = 10.0) -> None:
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, "the resolver does not come to an end"
            poller = select.poll()
            for fd, mask in self.resolver.waits_for():
                poller.register(fd, mask)
            for fd, event in poller.poll(10):
                if self.resolver.has(fd):
                    self.resolver.heard(fd, event)
            self.resolver.tick(time.monotonic())

    def ask(self, name: str, kind: int = dns.A, *, edns: int = 0, id: int = 5) -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.connect(self.udp_address)
            end.send(question(name, kind, edns=edns, id=id))
            self.spin(lambda: readable(end))
            return end.recv(65535)

    def ask_stream(self, *messages: bytes, answers: int) -> list[bytes]:
        with socket.create_connection(self.tcp_address) as end:
            end.sendall(b"".join(len(one).to_bytes(2, "big") + one for one in messages))
            found: list[bytes] = []
            data = b""
            while len(found) < answers:
                self.spin(lambda: readable(end))
                received = end.recv(65535)
                assert received
                data += received
                while len(data) >= 2 and len(data) >= 2 + int.from_bytes(data[:2], "big"):
                    length = int.from_bytes(data[:2], "big")
                    found.append(data[2 : 2 + length])
                    data = data[2 + length :]
            return found


def readable(end: socket.socket) -> bool:
    return bool(select.select([end], [], [], 0)[0])


def question(name: str, kind: int = dns.A, *, edns: int = 0, id: int = 5) -> bytes:
    options = b"\0" + struct.pack("!HHIH", dns.OPT, edns, 0, 0) if edns else b""
    return struct.pack("!6H", id, 0x0100, 1, 0, 0, bool(edns)) + dns.wire(name) + struct.pack("!HH", kind, 1) + options


def code(answer: bytes) -> int:
    return answer[3] & 0xF


def addresses(answer: bytes) -> list[str]:
    """Return the addresses that an answer of the resolver's own has."""
    count = struct.unpack_from("!H", answer, 6)[0]
    _, offset = dns.read_name(answer, 12)
    offset += 4
    found = []
    for _ in range(count):
        length = struct.unpack_from("!H", answer, offset + 10)[0]
        data = answer[offset + 12 : offset + 12 + length]
        found.append(socket.inet_ntop(socket.AF_INET6 if length == 16 else socket.AF_INET, data))
        offset += 12 + length
    return found


class Server:
    """A server on one address, that does with a question what it is told; `questions` are those that it has got."""

    def __init__(self, address: str, port: int, reply: Callable[[bytes], list[bytes]]) -> None:
        self.questions: list[bytes] = []
        self.ports: list[int] = []
        self.end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.end.bind((address, port))
        self.streams = socket.socket()
        self.streams.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.streams.bind((address, self.end.getsockname()[1]))
        self.streams.listen()
        self.port = self.end.getsockname()[1]
        self.reply = reply
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        while True:
            ready = select.select([self.end, self.streams], [], [])[0]
            if self.streams in ready:
                client, _ = self.streams.accept()
                with client:
                    message = client.recv(65535)[2:]
                    self.questions.append(message)
                    for answer in self.reply(message):
                        client.sendall(len(answer).to_bytes(2, "big") + answer)
                continue
            message, asker = self.end.recvfrom(65535)
            if message == b"end":
                return
            self.questions.append(message)
            self.ports.append(asker[1])
            for answer in self.reply(message):
                self.end.sendto(answer, asker)

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"end", self.end.getsockname())
        self.thread.join()
        self.end.close()
        self.streams.close()


def found(message: bytes, address: bytes = b"\xc0\0\2\1") -> list[bytes]:
    query = dns.parse_query(message)
    return [dns.answer(query, records=[(dns.A, address)])]


def failed(message: bytes) -> list[bytes]:
    return [dns.answer(dns.parse_query(message), dns.SERVFAIL)]


def silent(message: bytes) -> list[bytes]:
    return []


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Callable[..., Machine]]:
    made: list[Machine] = []

    def make(directories: tuple[str, ...] = ("net",), **settings: object) -> Machine:
        for name in directories:
            (tmp_path / name).mkdir(exist_ok=True)
        machine = Machine(Settings([bytes(tmp_path / name) for name in directories], **settings))  # type: ignore[arg-type]
        made.append(machine)
        return machine

    yield make
    for one in made:
        for fd in one.resolver.detach():
            os.close(fd)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Server]]:
    made: list[Server] = []

    def make(reply: Callable[[bytes], list[bytes]], address: str = SERVERS[0]) -> Server:
        server = Server(address, made[0].port if made else 0, reply)
        made.append(server)
        monkeypatch.setattr(forwarding, "PORT", server.port)
        return server

    yield make
    for server in made:
        server.close()


def put(directory: Path, id: str, *own: str, addresses: tuple[str, ...] = ("10.89.0.2",), start: int = START) -> None:
    names.write(bytes(directory / id), Entry(PID, start, addresses, own))


def test_names_of_containers(machine: Callable[..., Machine], tmp_path: Path) -> None:
    one = machine()
    put(tmp_path / "net", "a", "web", "Alias.x", "0123456789ab", addresses=("10.89.0.2", "fd00::2"))
    for name in ("web", "WEB", "web.dns.podman", "Web.DNS.podman", "alias.x", "0123456789ab", "alias.x.dns.podman"):
        assert addresses(one.ask(name)) == ["10.89.0.2"], name
        assert addresses(one.ask(name, dns.AAAA)) == ["fd00::2"], name
    assert one.ask("wEb")[2] & 0x04  # we are who knows
    assert dns.wire("wEb") in one.ask("wEb")


def test_no_data_is_not_no_name(machine: Callable[..., Machine], serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve(found)
    one = machine(servers=[SERVERS[0]])
    put(tmp_path / "net", "a", "web")
    for kind in (dns.AAAA, 15, 65):
        answer = one.ask("web", kind)
        assert (code(answer), addresses(answer)) == (dns.NOERROR, [])
    for name in ("other", "other.dns.podman"):
        assert code(one.ask(name)) == dns.NXDOMAIN
    assert server.questions == []


def test_names_follow_the_files_at_once(machine: Callable[..., Machine], tmp_path: Path) -> None:
    one = machine()
    assert code(one.ask("web")) == dns.NXDOMAIN
    put(tmp_path / "net", "a", "web")
    assert addresses(one.ask("web")) == ["10.89.0.2"]
    put(tmp_path / "net", "a", "web", addresses=("10.89.0.9",))
    assert addresses(one.ask("web")) == ["10.89.0.9"]
    os.unlink(tmp_path / "net" / "a")
    assert code(one.ask("web")) == dns.NXDOMAIN


def test_what_a_dead_container_left_counts_for_nothing(machine: Callable[..., Machine], tmp_path: Path) -> None:
    one = machine()
    put(tmp_path / "net", "a", "web", start=START + 1)
    assert code(one.ask("web")) == dns.NXDOMAIN


def test_several_containers_of_one_name_take_turns(machine: Callable[..., Machine], tmp_path: Path) -> None:
    one = machine()
    for number in range(3):
        put(tmp_path / "net", f"c{number}", f"c{number}", "db", addresses=(f"10.89.0.{number}",))
    answers = [addresses(one.ask("db")) for _ in range(3)]
    assert {answer[0] for answer in answers} == {"10.89.0.0", "10.89.0.1", "10.89.0.2"}
    assert all(len(answer) == 3 for answer in answers)


def test_other_networks_are_not_seen(machine: Callable[..., Machine], tmp_path: Path) -> None:
    one = machine(("net",))
    (tmp_path / "other").mkdir()
    put(tmp_path / "other", "a", "web")
    assert code(one.ask("web")) == dns.NXDOMAIN
    one.resolver.change(Settings([bytes(tmp_path / "net"), bytes(tmp_path / "other")]))
    assert addresses(one.ask("web")) == ["10.89.0.2"]


def test_names_of_addresses(machine: Callable[..., Machine], tmp_path: Path) -> None:
    one = machine()
    put(tmp_path / "net", "a", "web", "db", addresses=("10.89.0.2", "fd00::2"))
    for name in ("2.0.89.10.in-addr.arpa", f"{'.'.join('2' + '0' * 29 + 'df')}.ip6.arpa"):
        assert one.ask(name, dns.PTR).endswith(b"\3web\0")
    assert code(one.ask("3.0.89.10.in-addr.arpa", dns.PTR)) == dns.NXDOMAIN


def test_names_of_the_host(machine: Callable[..., Machine]) -> None:
    one = machine(hosts={"host.containers.internal": ["10.89.0.1"]})
    assert addresses(one.ask("host.containers.internal")) == ["10.89.0.1"]
    answer = one.ask("host.containers.internal", dns.AAAA)
    assert (code(answer), addresses(answer)) == (dns.NOERROR, [])


def test_many_addresses_are_cut_short_over_udp(machine: Callable[..., Machine], tmp_path: Path) -> None:
    one = machine()
    put(tmp_path / "net", "a", "db", addresses=tuple(f"10.89.0.{number}" for number in range(100)))
    short = one.ask("db")
    assert len(short) <= 512
    assert short[2] & 0x02
    assert len(addresses(one.ask("db", edns=4096))) == 100
    whole = one.ask_stream(question("db"), question("other", id=6), answers=2)
    assert len(addresses(whole[0])) == 100
    assert code(whole[1]) == dns.NXDOMAIN


def test_other_names_are_passed_on(machine: Callable[..., Machine], serve: Callable[..., Server]) -> None:
    server = serve(found)
    one = machine(servers=[SERVERS[0]])
    for id in range(20):
        answer = one.ask("www.example", id=id)
        assert addresses(answer) == ["192.0.2.1"]
        assert answer[:2] == id.to_bytes(2, "big")
    assert len({message[:2] for message in server.questions}) > 15
    assert len(set(server.ports)) > 10
    assert addresses(one.ask_stream(question("www.example"), answers=1)[0]) == ["192.0.2.1"]


def test_an_internal_network_passes_nothing_on(machine: Callable[..., Machine]) -> None:
    assert code(machine().ask("www.example")) == dns.NXDOMAIN


def test_a_forged_answer_is_not_taken(machine: Callable[..., Machine], serve: Callable[..., Server]) -> None:
    def forged(message: bytes) -> list[bytes]:
        wrong_id = bytes((message[0] ^ 1,)) + found(message, b"\6\6\6\6")[0][1:]
        wrong_name = found(message.replace(b"www", b"wwv"), b"\6\6\6\6")[0]
        return [wrong_id, wrong_name, b"", b"\0", *found(message)]

    serve(forged)
    assert addresses(machine(servers=[SERVERS[0]]).ask("www.example")) == ["192.0.2.1"]


def test_the_next_server_is_asked(machine: Callable[..., Machine], serve: Callable[..., Server]) -> None:
    first, second = serve(silent), serve(found, SERVERS[1])
    one = machine(servers=list(SERVERS))
    start = time.monotonic()
    assert addresses(one.ask("www.example")) == ["192.0.2.1"]
    assert 0.9 < time.monotonic() - start < 3
    start = time.monotonic()
    assert addresses(one.ask("www.example")) == ["192.0.2.1"]  # the silent one is the last choice now
    assert time.monotonic() - start < 0.9
    assert (len(first.questions), len(second.questions)) == (1, 2)


def test_a_server_that_fails_or_is_not_there_costs_no_time(
    machine: Callable[..., Machine], serve: Callable[..., Server]
) -> None:
    serve(failed)
    serve(found, SERVERS[1])
    one = machine(servers=["127.0.0.23", *SERVERS])
    start = time.monotonic()
    assert addresses(one.ask("www.example")) == ["192.0.2.1"]
    assert addresses(one.ask_stream(question("www.example"), answers=1)[0]) == ["192.0.2.1"]
    assert time.monotonic() - start < 0.9


@pytest.mark.parametrize("servers", [["127.0.0.23"], ["not an address"]])
def test_no_server_is_a_failure_at_once(
    machine: Callable[..., Machine], serve: Callable[..., Server], servers: list[str]
) -> None:
    serve(found)
    start = time.monotonic()
    one = machine(servers=servers)
    assert code(one.ask("www.example")) == dns.SERVFAIL
    assert code(one.ask_stream(question("www.example"), answers=1)[0]) == dns.SERVFAIL
    assert time.monotonic() - start < 0.9


def test_a_lookup_never_hangs(machine: Callable[..., Machine], serve: Callable[..., Server]) -> None:
    serve(silent)
    one = machine(servers=[SERVERS[0]])
    start = time.monotonic()
    assert code(one.ask("www.example")) == dns.SERVFAIL
    assert time.monotonic() - start < 5
    assert len(one.resolver.fds()) == 2


def test_too_many_questions_fail_and_nothing_is_left(
    machine: Callable[..., Machine], serve: Callable[..., Server], tmp_path: Path
) -> None:
    serve(silent)
    one = machine(servers=[SERVERS[0]])
    put(tmp_path / "net", "a", "web")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.connect(one.udp_address)
        for id in range(200):
            end.send(question("www.example", id=id))
            one.spin(lambda: True)
            end.send(b"junk")
            if id % 20 == 0:
                assert addresses(one.ask("web")) == ["10.89.0.2"]
        one.spin(lambda: readable(end))
        assert code(end.recv(512)) == dns.SERVFAIL
        assert len(one.resolver.fds()) < 150
        one.spin(lambda: len(one.resolver.fds()) == 2)


def test_clients_that_come_and_go(machine: Callable[..., Machine], serve: Callable[..., Server]) -> None:
    serve(silent)
    one = machine(servers=[SERVERS[0]])
    ends = [socket.create_connection(one.tcp_address) for _ in range(30)]
    for number, end in enumerate(ends):
        if number % 2:
            message = question("www.example")
            end.sendall(len(message).to_bytes(2, "big") + message)
    one.spin(lambda: len(one.resolver.fds()) >= 18)
    assert len(one.resolver.fds()) <= 2 + 16 * 2
    for end in ends:
        end.close()
    one.spin(lambda: len(one.resolver.fds()) == 2)


@pytest.mark.parametrize("data", [b"\xff\xff" + b"x" * 200, b"\0\0", b"\0\x05junk!"])
def test_a_client_that_sends_junk_is_dropped(machine: Callable[..., Machine], data: bytes) -> None:
    one = machine()
    with socket.create_connection(one.tcp_address) as end:
        end.sendall(data)
        one.spin(lambda: readable(end))
        try:
            assert end.recv(100) == b""
        except ConnectionResetError:
            pass


def test_the_servers_of_the_host_are_those_of_now(
    machine: Callable[..., Machine], serve: Callable[..., Server], tmp_path: Path
) -> None:
    serve(found)
    file = tmp_path / "resolv.conf"
    file.write_text("# none\n")
    one = machine(resolv_conf=bytes(file))
    assert code(one.ask("www.example")) == dns.SERVFAIL
    file.write_text(f"nameserver {SERVERS[0]} ignored\nsearch lan\n")
    os.utime(file, ns=(1, 1))
    assert addresses(one.ask("www.example")) == ["192.0.2.1"]


def test_a_question_survives_the_exec(
    machine: Callable[..., Machine], serve: Callable[..., Server], tmp_path: Path
) -> None:
    import marshal

    server = serve(silent)
    one = machine(servers=[SERVERS[0]])
    put(tmp_path / "net", "a", "web")
    message = len(question("web")).to_bytes(2, "big") + question("web")
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end,
        socket.create_connection(one.tcp_address) as stream,
    ):
        end.connect(one.udp_address)
        end.send(question("www.example"))
        stream.sendall(message[:9])
        one.spin(lambda: len(server.questions) == 1 and len(one.resolver.fds()) == 4)
        state = marshal.loads(marshal.dumps(one.resolver.freeze()))
        one.resolver.detach()
        one.resolver = Resolver.thaw(state)
        server.reply = found
        stream.sendall(message[9:])
        one.spin(lambda: readable(end) and readable(stream))
        assert addresses(end.recv(512)) == ["192.0.2.1"]
        assert addresses(stream.recv(512)[2:]) == ["10.89.0.2"]


def test_a_bare_interpreter_can_have_it() -> None:
    import marshal
    import subprocess
    import sys

    from runtime.monitor import child, reexec

    assert child  # imports what the loop needs
    modules = [(name, reexec._code(name)) for name in (*reexec._MODULES, *reexec._RESOLVER)]
    program = (
        "import marshal, sys\n"
        "for name in ('__future__', 'runtime', 'runtime.monitor'): sys.modules[name] = type(sys)(name)\n"
        "sys.modules['__future__'].annotations = None\n"
        "for name, code in marshal.loads(sys.stdin.buffer.read()):\n"
        "    sys.modules[name] = type(sys)(name)\n"
        "    exec(code, sys.modules[name].__dict__)\n"
        "print(sys.modules['runtime.monitor.resolver'].ADDRESS)\n"
    )
    result = subprocess.run(
        [sys.executable, "-ISBc", program], input=marshal.dumps(modules), capture_output=True, check=True
    )
    assert result.stdout == b"127.0.0.11\n"


QUERIES = st.one_of(
    st.binary(max_size=60),
    st.binary(max_size=40).map(lambda data: question("web") + data),
    st.tuples(st.binary(min_size=12, max_size=12), st.binary(max_size=40)).map(b"".join),
    st.tuples(st.integers(0, 65535), st.sampled_from(["web", "a.test"])).map(lambda one: question(one[1], one[0])),
)


@given(st.lists(QUERIES, max_size=6))
@effort(max_examples=40, deadline=None)
def test_any_bytes_leave_it_answering(messages: list[bytes]) -> None:
    one = Machine(Settings([], hosts={"web": ["10.0.0.1"]}))
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            for message in messages:
                end.sendto(message, one.udp_address)
            assert addresses(one.ask("web")) == ["10.0.0.1"]
        with socket.create_connection(one.tcp_address) as stream:
            stream.sendall(b"".join(len(message).to_bytes(2, "big") + message for message in messages))
        assert addresses(one.ask_stream(question("web"), answers=1)[0]) == ["10.0.0.1"]
    finally:
        for fd in one.resolver.detach():
            os.close(fd)


@given(st.one_of(st.binary(max_size=80), st.binary(max_size=40).map(lambda data: found(question("a.test"))[0] + data)))
@effort(max_examples=40, deadline=None)
def test_any_bytes_of_a_server_are_an_answer_or_none(answer: bytes) -> None:
    query = dns.parse_query(question("a.test"))
    forward = forwarding.Forward(question("a.test"), query, ("127.0.0.1", 9), [], 0.0)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        theirs.send(answer or b"x")
        forward.tries[ours.fileno()] = forwarding.Try(5, "192.0.2.1")
        heard = forward.hear(ours.fileno())
        assert heard in (None, b"", answer)
        if heard:
            assert len(dns.passed_on(heard, query, 512)) <= 512
