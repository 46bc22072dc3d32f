"""The client against a bus in this process: authentication, answers, signals, and buses that misbehave."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime.dbus import addresses
from runtime.dbus.connection import Connection, places
from runtime.dbus.errors import BusError, CallError
from tests.fakes.systemd import MANAGER, NAME, PATH, FakeSystemd, serve_peer


class Bus:
    """A socket on which one function serves one client in a thread."""

    def __init__(self, path: str) -> None:
        self.address = addresses.of_path(path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.thread: threading.Thread | None = None

    def serve(self, talk: Callable[[socket.socket], None]) -> None:
        def run() -> None:
            end, _ = self.listener.accept()
            with end:
                talk(end)

        self.thread = threading.Thread(target=run)
        self.thread.start()

    def close(self) -> None:
        if self.thread is not None:
            self.thread.join(10)
            assert not self.thread.is_alive()
        self.listener.close()


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Bus]:
    made = Bus(f"{tmp_path}/a b%;bus")
    yield made
    made.close()


def test_addresses() -> None:
    assert places("unix:path=/run/bus") == ["/run/bus"]
    assert places("tcp:host=x;unix:abstract=/tmp/x%20y,guid=01;unix:guid=2,path=/b") == ["\0/tmp/x y", "/b"]
    assert places("unixexec:path=ssh;unix:tmpdir=/tmp") == []
    assert places(addresses.of_path("/a b,;%=ü")) == ["/a b,;%=ü"]
    assert addresses.of_system("") == "unix:path=/run/dbus/system_bus_socket"
    assert addresses.of_system("unix:path=/x") == "unix:path=/x"
    assert addresses.of_user("", "", 5) == "unix:path=/run/user/5/bus"
    assert addresses.of_user("", "/r", 5) == "unix:path=/r/bus"
    assert addresses.of_user("unix:abstract=a", "/r", 5) == "unix:abstract=a"


def test_a_call_and_its_answer(bus: Bus) -> None:
    bus.serve(lambda end: serve_peer(end, FakeSystemd("/above")))
    connection = Connection(bus.address)
    assert connection.name == ":1.7"
    (value,) = connection.call(NAME, PATH, "org.freedesktop.DBus.Properties", "Get", "ss", MANAGER, "ControlGroup")
    assert value.value == "/above"
    with pytest.raises(CallError, match=r"Nonsense: Nonsense \(org.freedesktop.DBus.Error.UnknownMethod\)") as caught:
        connection.call(NAME, PATH, MANAGER, "Nonsense")
    assert caught.value.name == "org.freedesktop.DBus.Error.UnknownMethod"
    with pytest.raises(BusError, match="not of type u"):
        connection.call(NAME, PATH, MANAGER, "Nonsense", "u", -1)
    connection.close()


def test_signals_wait_for_who_asks(bus: Bus) -> None:
    systemd = FakeSystemd()
    systemd.units["x.scope"] = {}
    bus.serve(lambda end: serve_peer(end, systemd))
    connection = Connection(bus.address, seconds=5)
    (job,) = connection.call(NAME, PATH, MANAGER, "StopUnit", "ss", "x.scope", "replace")
    found = connection.wait(lambda signal: bool(signal.body[1] == job), 5, "the job's end")
    assert found.body[2:] == ("x.scope", "done")
    with pytest.raises(BusError, match="gave up waiting for another"):
        connection.wait(lambda signal: True, 0.05, "another")
    connection.close()


def test_nobody_is_there(tmp_path: Path) -> None:
    with pytest.raises(BusError, match="connect to the bus at unix:path=/nowhere/bus: No such file") as caught:
        Connection("unix:path=/nowhere/bus")
    assert "cgroupfs" in caught.value.hint
    with pytest.raises(BusError, match="names no Unix socket"):
        Connection("tcp:host=localhost,port=1")


def hear(end: socket.socket, *answers: bytes) -> None:
    for answer in answers:
        end.recv(4096)
        end.sendall(answer)
    if answers[0] == GREETING:
        end.recv(4096)
    end.shutdown(socket.SHUT_WR)
    wait_for_end(end)


def wait_for_end(end: socket.socket) -> None:
    while end.recv(4096):
        pass


GREETING = b"DATA\r\nOK 0123\r\n"


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ((b"REJECTED EXTERNAL\r\n",), "it rejects us: REJECTED EXTERNAL"),
        ((b"DATA\r\nERROR no\r\n",), "it rejects us: ERROR no"),
        ((b"x" * 20000,), "greeting does not end"),
        ((b"DATA\r\n",), "has closed the connection while we waited for the end of the authentication"),
        ((GREETING,), "has closed the connection while we waited for an answer of org.freedesktop.DBus.Hello"),
        ((GREETING, b"HTTP/1.1 400 Bad Request\r\n"), "the message has no byte order"),
        ((GREETING, b"l\x02\x00\x01" + b"\xff" * 12), "a message of"),
        ((GREETING, b"l\x02\x00\x07" + bytes(4) + b"\x01" + bytes(7)), "protocol version 7"),
    ],
)
def test_a_bus_that_is_none(bus: Bus, answers: tuple[bytes, ...], message: str) -> None:
    bus.serve(lambda end: hear(end, *answers))
    with pytest.raises(BusError, match=message):
        Connection(bus.address, seconds=5)


def test_a_bus_that_says_nothing(bus: Bus) -> None:
    bus.serve(wait_for_end)
    with pytest.raises(BusError, match="gave up waiting for the end of the authentication"):
        Connection(bus.address, seconds=0.05)


def test_no_descriptor_is_left(bus: Bus) -> None:
    before = os.listdir("/proc/self/fd")
    bus.serve(lambda end: hear(end, b"REJECTED\r\n"))
    with pytest.raises(BusError):
        Connection(bus.address)
    bus.close()
    assert len(os.listdir("/proc/self/fd")) < len(before)  # the listener is closed too
