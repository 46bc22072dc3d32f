"""Answering a container's questions for names, on a loopback address of its network namespace.

The names of the container's networks are answered from the files that names.py describes, all else is passed on to
the servers of the host, from the monitor's own network namespace. Nothing here waits: all sockets are non-blocking, and
every question has its answer within four seconds, SERVFAIL if need be; that is sooner than C libraries ask again.
The names of containers, of those that do not run too, are nobody else's business: what lies in the domain of
containers, or has no dot, is not passed on.
"""

from __future__ import annotations

import posix
import select
import time
from _socket import socket

from runtime import dns
from runtime.monitor.forwarding import Forward, packed, read_servers
from runtime.monitor.names import Directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from runtime.monitor.forwarding import Asker
    from runtime.monitor.names import Entry

ADDRESS = "127.0.0.11"
PORT = 53
# Where it listens, so that the container's own servers can have port 53 (see resolver_sockets.py): a number that
# nobody is known to use, above those that Linux gives to connections.
OWN_PORT = 61053
_MOST_SERVERS = 3  # as in resolv.conf(5)
_SHUNNED = 30.0  # for so long a server that kept silent is asked after the others
_MOST_FORWARDED = 128
_MOST_CLIENTS = 16
_IDLE = 10.0
_AT_ONCE = 32  # questions answered before the loop looks at other things
_LARGEST_QUERY = 4096
# Of names without a dot, only what tells of a top-level domain itself is passed on: NS, SOA, DS, DNSKEY.
_OF_DOMAINS = (2, 6, 43, 48)
_HANGUP = select.POLLHUP | select.POLLERR


class Settings:
    """What a resolver knows: all of it plain values, that may change while it runs."""

    __slots__ = ("directories", "domain", "hosts", "port", "resolv_conf", "servers")

    def __init__(
        self,
        directories: list[bytes],
        *,
        domain: str = "dns.podman",
        hosts: dict[str, list[str]] | None = None,
        servers: list[str] | None = None,
        resolv_conf: bytes = b"",
        port: int = OWN_PORT,
    ) -> None:
        self.directories = directories  # of the networks that the container is on, with files of names
        self.domain = domain
        self.hosts = hosts or {}  # further names and their addresses
        self.servers = servers or []  # to which all else goes; if there are none, to those of `resolv_conf`
        self.resolv_conf = resolv_conf  # read again when it changes; without both, nothing is passed on
        self.port = port  # where the sockets listen; it cannot change while they are open

    def freeze(self) -> tuple[Any, ...]:
        """Return what makes the settings again."""
        return (self.directories, self.domain, self.hosts, self.servers, self.resolv_conf, self.port)

    @staticmethod
    def thaw(state: tuple[Any, ...]) -> Settings:
        """Make the settings again."""
        directories, domain, hosts, servers, resolv_conf, port = state
        return Settings(directories, domain=domain, hosts=hosts, servers=servers, resolv_conf=resolv_conf, port=port)


class Client:
    """A TCP connection of the container; one question at a time."""

    __slots__ = ("busy", "data", "deadline", "ended", "out")

    def __init__(self, now: float) -> None:
        self.data = b""  # received and not yet read
        self.out = b""
        self.busy = False  # its question has been passed on
        self.ended = False
        self.deadline = now + _IDLE

    def freeze(self) -> tuple[Any, ...]:
        """Return what makes the client again."""
        return (self.data, self.out, self.busy, self.ended, self.deadline)

    @staticmethod
    def thaw(state: tuple[Any, ...]) -> Client:
        """Make the client again."""
        client = Client(0.0)
        client.data, client.out, client.busy, client.ended, client.deadline = state
        return client


class Resolver:
    """Answers what comes to two sockets, UDP and TCP, which are its own from now on."""

    def __init__(self, udp: int, tcp: int, settings: Settings) -> None:
        self._forget: Callable[[int], None] = posix.close  # the loop, which polls, has its own way of closing
        self._udp = socket(fileno=udp)
        self._tcp = socket(fileno=tcp)
        self._clients: dict[int, Client] = {}
        self._forwards: list[Forward] = []
        self._shunned: dict[str, float] = {}
        self._turn = 0
        self._full = False  # no fd was left for one more client
        self._host_servers: tuple[tuple[int, int], list[str]] = ((0, 0), [])
        self.change(settings)

    def change(self, settings: Settings) -> None:
        """Go by other settings from now on."""
        self._settings = settings
        self._directories = [Directory(path) for path in settings.directories]

    def freeze(self) -> dict[str, Any]:
        """Return the state as values that marshal can write."""
        return {
            "udp": self._udp.fileno(),
            "tcp": self._tcp.fileno(),
            "settings": self._settings.freeze(),
            "clients": [(fd, client.freeze()) for fd, client in self._clients.items()],
            "forwards": [forward.freeze() for forward in self._forwards],
        }

    @staticmethod
    def thaw(state: dict[str, Any]) -> Resolver:
        """Make the resolver again from what `freeze` returned."""
        resolver = Resolver(state["udp"], state["tcp"], Settings.thaw(state["settings"]))
        resolver._clients = {fd: Client.thaw(client) for fd, client in state["clients"]}
        resolver._forwards = [Forward.thaw(forward) for forward in state["forwards"]]
        return resolver

    def close_with(self, forget: Callable[[int], None]) -> None:
        """Close fds in this way from now on: they are polled."""
        self._forget = forget

    def fds(self) -> list[int]:
        """Return all fds."""
        tries = [fd for forward in self._forwards for fd in forward.tries]
        return [self._udp.fileno(), self._tcp.fileno(), *self._clients, *tries]

    def has(self, fd: int) -> bool:
        """Tell whether an fd is one of ours."""
        return fd in self.fds()

    def detach(self) -> list[int]:
        """Give up all fds, and return them for the caller to close."""
        fds = self.fds()
        self._udp.detach()
        self._tcp.detach()
        self._clients, self._forwards = {}, []
        return fds

    def waits_for(self) -> Iterator[tuple[int, int]]:
        """Return fds and the events to wait for."""
        yield self._udp.fileno(), select.POLLIN
        if len(self._clients) < _MOST_CLIENTS and not self._full:
            yield self._tcp.fileno(), select.POLLIN
        for fd, client in self._clients.items():
            yield fd, select.POLLOUT if client.out else 0 if client.busy else select.POLLIN
        for forward in self._forwards:
            for fd, one in forward.tries.items():
                yield fd, select.POLLOUT if one.out else select.POLLIN

    def moments(self) -> list[float]:
        """Return the moments (monotonic) at which `tick` has something to do."""
        return [forward.moment() for forward in self._forwards] + [one.deadline for one in self._clients.values()]

    def tick(self, now: float) -> None:
        """Do what time demands: ask another server, give up, drop idle clients."""
        for forward in [forward for forward in self._forwards if now >= forward.moment()]:
            for one in forward.tries.values():
                self._shunned[one.server] = now + _SHUNNED
            if now >= forward.deadline or not forward.ask(now):
                self._give_up(forward)
        for fd in [fd for fd, client in self._clients.items() if now >= client.deadline]:
            self._drop(fd)

    def heard(self, fd: int, event: int) -> None:
        """Act on an event of one of our fds."""
        now = time.monotonic()
        if fd == self._udp.fileno():
            self._receive(now)
        elif fd == self._tcp.fileno():
            self._accept(now)
        elif fd in self._clients:
            self._serve(fd, event, now)
        else:
            for forward in self._forwards:
                if fd in forward.tries:
                    self._hear(forward, fd, now)
                    break

    def _receive(self, now: float) -> None:
        for _ in range(_AT_ONCE):
            try:
                message, asker = self._udp.recvfrom(_LARGEST_QUERY + 1)
            except OSError:
                return
            if len(message) <= _LARGEST_QUERY:
                self._answer(message, asker, now)

    def _accept(self, now: float) -> None:
        try:
            fd, _ = self._tcp._accept()  # type: ignore[attr-defined]
        except BlockingIOError:
            return
        except OSError:
            self._full = bool(self._clients)  # else an event that comes again and again is all that we can have
            return
        posix.set_blocking(fd, False)
        self._clients[fd] = Client(now)

    def _serve(self, fd: int, event: int, now: float) -> None:
        client = self._clients[fd]
        try:
            if client.out:
                client.out = client.out[posix.write(fd, client.out) :]
                client.deadline = now + _IDLE
            elif client.busy:
                if event & _HANGUP:
                    self._drop(fd)
                return
            else:
                data = posix.read(fd, _LARGEST_QUERY)
                client.ended = not data
                client.data += data
        except BlockingIOError:
            return
        except OSError:
            self._drop(fd)
            return
        self._take_question(fd, client, now)

    def _take_question(self, fd: int, client: Client, now: float) -> None:
        """Read the next question that a client has sent whole, if its last one is answered."""
        if client.out or client.busy:
            return
        length = int.from_bytes(client.data[:2], "big")
        if len(client.data) >= 2 and length > _LARGEST_QUERY:
            self._drop(fd)
        elif len(client.data) >= 2 + length > 2:
            message, client.data = client.data[2 : 2 + length], client.data[2 + length :]
            client.deadline = now + _IDLE
            client.busy = True
            if not self._answer(message, fd, now):
                self._drop(fd)
        elif client.ended or (length == 0 and len(client.data) >= 2):
            self._drop(fd)

    def _answer(self, message: bytes, asker: Asker, now: float) -> bool:
        """Answer, or pass on, a question; False for what is none."""
        try:
            query = dns.parse_query(message)
        except dns.NotAQueryError:
            return False
        except dns.BadQueryError as error:
            self._send(asker, error.answer, now)
            return True
        limit = query.datagram() if isinstance(asker, tuple) else dns.LONGEST
        found = self._known(query, limit)
        if found:
            self._send(asker, found, now)
            return True
        if any(one.asker == asker and one.message == message for one in self._forwards):
            return True  # asked again, and on its way
        forward = Forward(message, query, asker, self._servers(now), now)
        self._forwards.append(forward)
        if len(self._forwards) > _MOST_FORWARDED or not forward.ask(now):
            self._give_up(forward)
        return True

    def _send(self, asker: Asker, message: bytes, now: float) -> None:
        if isinstance(asker, tuple):
            try:
                self._udp.sendto(message, asker)
            except OSError:
                pass  # it went away, or reads nothing: it will ask again
        elif asker in self._clients:
            client = self._clients[asker]
            client.busy = False
            client.out = len(message).to_bytes(2, "big") + message
            client.deadline = now + _IDLE

    def _known(self, query: dns.Query, limit: int) -> bytes:
        """Return the answer to what is not passed on."""
        if query.space != dns.IN or query.kind in (dns.AXFR, dns.IXFR):
            return dns.answer(query, dns.REFUSED)
        domain, name = self._settings.domain, query.name
        short = name.removesuffix(f".{domain}")
        addresses = self._addresses(short)
        if addresses or name == domain or name in self._settings.hosts:
            records = [
                (dns.AAAA if len(address) == 16 else dns.A, address)
                for address in addresses
                if query.kind in (dns.ANY, dns.AAAA if len(address) == 16 else dns.A)
            ]
            return dns.answer(query, records=records, limit=limit, ours=True)
        wanted = dns.reversed_address(name) if query.kind in (dns.PTR, dns.ANY) else None
        found = self._name_of(wanted) if wanted else None
        if found:
            return dns.answer(query, records=[(dns.PTR, found)], limit=limit, ours=True)
        alone = name and "." not in name and query.kind not in _OF_DOMAINS
        if short != name or alone or not (self._settings.servers or self._settings.resolv_conf):
            return dns.answer(query, dns.NXDOMAIN, ours=True)
        return b""

    def _entries(self) -> Iterator[Entry]:
        for directory in self._directories:
            yield from directory.entries()

    def _addresses(self, name: str) -> list[bytes]:
        """Return the addresses of a name, each time in another order."""
        found = [packed(address) for address in self._settings.hosts.get(name, ())]
        for entry in self._entries():
            if name in map(str.lower, entry.names) and entry.is_alive():
                found += [packed(address) for address in entry.addresses]
        distinct = [address for address in dict.fromkeys(found) if address]
        self._turn += 1
        first = self._turn % len(distinct) if distinct else 0
        return distinct[first:] + distinct[:first]

    def _name_of(self, address: bytes) -> bytes:
        """Return the name of who has an address, in wire format."""
        for entry in self._entries():
            if address in map(packed, entry.addresses) and entry.is_alive():
                for name in entry.names:
                    try:
                        return dns.wire(name)
                    except ValueError:
                        continue
        return b""

    def _servers(self, now: float) -> list[str]:
        """Return the servers to ask, those that kept silent lately last."""
        servers = self._settings.servers or self._servers_of_host()
        return sorted(servers[:_MOST_SERVERS], key=lambda server: self._shunned.get(server, 0.0) > now)

    def _servers_of_host(self) -> list[str]:
        try:
            status = posix.stat(self._settings.resolv_conf)
            seen = (status.st_ino, status.st_mtime_ns)
            if seen != self._host_servers[0]:
                self._host_servers = (seen, read_servers(self._settings.resolv_conf))
        except OSError:
            self._host_servers = ((0, 0), [])
        return self._host_servers[1] or ["127.0.0.1"]  # as resolv.conf(5) says

    def _hear(self, forward: Forward, fd: int, now: float) -> None:
        message = forward.hear(fd)
        if message:
            self._shunned.pop(forward.tries[fd].server, None)
            self._finish(forward, message, now)
        elif message is not None:
            self._end_try(forward, fd)
            if forward.asked < len(forward.servers):
                if not forward.ask(now):
                    self._give_up(forward)
            elif not forward.tries:
                self._give_up(forward)

    def _give_up(self, forward: Forward) -> None:
        self._finish(forward, forward.failure, time.monotonic())

    def _finish(self, forward: Forward, message: bytes, now: float) -> None:
        """Tell who asked what came of it; without a message, that nobody knows."""
        self._forwards.remove(forward)
        for fd in list(forward.tries):
            self._end_try(forward, fd)
        query = forward.query
        limit = query.datagram() if isinstance(forward.asker, tuple) else dns.LONGEST
        given = dns.passed_on(message, query, limit) if message else dns.answer(query, dns.SERVFAIL)
        self._send(forward.asker, given, now)

    def _end_try(self, forward: Forward, fd: int) -> None:
        del forward.tries[fd]
        self._forget(fd)

    def _drop(self, fd: int) -> None:
        """Close a client; what it has asked is of interest to nobody."""
        del self._clients[fd]
        for forward in [forward for forward in self._forwards if forward.asker == fd]:
            self._forwards.remove(forward)
            for other in list(forward.tries):
                self._end_try(forward, other)
        self._full = False
        self._forget(fd)
