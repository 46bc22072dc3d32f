import os
import time
from collections.abc import Iterator
from socket import AF_UNIX, SOCK_SEQPACKET, socket, socketpair

import pytest

from runtime.monitor.clients import PACKET, STALL, Client
from runtime.monitor.log import STDERR, STDOUT


@pytest.fixture
def ends() -> Iterator[tuple[Client, socket]]:
    ours, theirs = socketpair(AF_UNIX, SOCK_SEQPACKET)
    ours.setblocking(False)
    with ours, theirs:
        yield Client(ours.fileno()), theirs


def test_packets_have_a_stream_and_at_most_8192_bytes(ends: tuple[Client, socket]) -> None:
    client, theirs = ends
    assert client.send(STDERR, b"x" * (PACKET + 1))
    assert theirs.recv(65536) == b"\x03" + b"x" * PACKET
    assert theirs.recv(65536) == b"\x03x"


def fill(client: Client) -> bytes:
    """Send until the client takes no more; return what it was given."""
    sent = b""
    while not client.pending:
        data = os.urandom(20000)
        assert client.send(STDOUT, data)
        sent += data
    return sent


def test_slow_client_gets_all_in_order(ends: tuple[Client, socket]) -> None:
    client, theirs = ends
    sent = fill(client)
    assert client.send(STDOUT, b"last")
    received = b""
    while len(received) < len(sent) + 4:
        received += theirs.recv(65536)[1:]
        assert client.flush()
    assert received == sent + b"last"
    assert not client.pending


def test_client_that_takes_nothing_stalls_unless_primary(ends: tuple[Client, socket]) -> None:
    client, _ = ends
    fill(client)
    assert not client.stalled(time.monotonic())
    assert client.stalled(time.monotonic() + STALL + 1)
    client.primary = True
    assert not client.stalled(time.monotonic() + STALL + 1)


def test_gone_client_is_noticed(ends: tuple[Client, socket]) -> None:
    client, theirs = ends
    theirs.close()
    assert not client.send(STDOUT, b"text")


def test_freeze_keeps_what_is_pending(ends: tuple[Client, socket]) -> None:
    client, _ = ends
    client.pending = [(STDOUT, b"text")]
    client.feeds = True
    client.readable = False
    again = Client.thaw(client.freeze())
    assert (again.fd, again.pending, again.feeds, again.readable, again.primary) == (
        client.fd,
        [(STDOUT, b"text")],
        True,
        False,
        False,
    )
