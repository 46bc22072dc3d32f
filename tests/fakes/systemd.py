"""systemd's manager as far as containers need it, on a bus of its own or on a real one; it notes what it is asked.

python -m tests.fakes.systemd ADDRESS CONTROL_GROUP NOTES      serve on a real bus, make directories and move processes
"""

from __future__ import annotations

import json
import os
import socket
import sys
from typing import Any

from runtime.dbus import message
from runtime.dbus.connection import BUS, BUS_PATH, places
from runtime.dbus.message import Message
from runtime.dbus.wire import Variant

NAME, PATH = "org.freedesktop.systemd1", "/org/freedesktop/systemd1"
MANAGER = f"{NAME}.Manager"
TOP = "/sys/fs/cgroup"


class FakeSystemd:
    """A manager; what is wrong with it is set by the test."""

    def __init__(self, control_group: str = "", version: str = "257.5-1") -> None:
        self.properties = {"Version": version, "ControlGroup": control_group}
        self.units: dict[str, dict[str, Any]] = {}
        self.failed: set[str] = set()
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.result = "done"
        self.errors: dict[str, str] = {}  # method -> name of the error that it answers
        self.serial = 0
        self.jobs = 0

    def handle(self, call: Message) -> list[Message]:
        """Return what is sent for a method call: signals before and after, and the answer."""
        self.calls.append((call.member, call.body))
        if call.member in self.errors:
            return [self._error(call, self.errors[call.member], "as the test wants it")]
        handler = getattr(self, f"on_{call.member}", None)
        if handler is None:
            return [self._error(call, "org.freedesktop.DBus.Error.UnknownMethod", call.member)]
        answer: list[Message] = handler(call)
        return answer

    def answer(self, call: Message, signature: str = "", *body: Any) -> Message:
        self.serial += 1
        reply = Message(message.RETURN, self.serial, signature, body)
        reply.reply_to, reply.destination = call.serial, call.sender
        return reply

    def _error(self, call: Message, name: str, text: str) -> Message:
        reply = self.answer(call, "s", text)
        reply.kind, reply.error = message.ERROR, name
        return reply

    def job(self, call: Message, unit: str, result: str) -> list[Message]:
        """Return the answer to what makes a job, then an ended job of somebody else, then this one's end."""
        self.jobs += 2
        answer = self.answer(call, "o", f"{PATH}/job/{self.jobs}")
        return [
            self._removed(self.jobs - 1, "other.service", "failed"),
            answer,
            self._removed(self.jobs, unit, result),
        ]

    def _removed(self, number: int, unit: str, result: str) -> Message:
        self.serial += 1
        body = (number, f"{PATH}/job/{number}", unit, result)
        signal = Message(message.SIGNAL, self.serial, "uoss", body)
        signal.path, signal.interface, signal.member = PATH, MANAGER, "JobRemoved"
        return signal

    def on_Hello(self, call: Message) -> list[Message]:
        return [self.answer(call, "s", ":1.7")]

    def on_AddMatch(self, call: Message) -> list[Message]:
        return [self.answer(call)]

    on_Subscribe = on_AddMatch

    def on_Get(self, call: Message) -> list[Message]:
        return [self.answer(call, "v", Variant("s", self.properties[call.body[1]]))]

    def on_StartTransientUnit(self, call: Message) -> list[Message]:
        unit, _mode, properties, _others = call.body
        if unit in self.units or unit in self.failed:
            return [self._error(call, f"{NAME}.UnitExists", f"Unit {unit} was already loaded")]
        values = {name: variant.value for name, variant in properties}
        if self.result == "done":
            self.units[unit] = values
            self.make(unit, values)
        return self.job(call, unit, self.result)

    def on_SetUnitProperties(self, call: Message) -> list[Message]:
        unit, _runtime, properties = call.body
        self.units[unit].update({name: variant.value for name, variant in properties})
        return [self.answer(call)]

    def on_AttachProcessesToUnit(self, call: Message) -> list[Message]:
        return [self.answer(call)]

    def on_ResetFailedUnit(self, call: Message) -> list[Message]:
        if call.body[0] not in self.failed:
            return [self._error(call, f"{NAME}.NoSuchUnit", f"Unit {call.body[0]} not loaded")]
        self.failed.discard(call.body[0])
        return [self.answer(call)]

    def on_StopUnit(self, call: Message) -> list[Message]:
        unit = call.body[0]
        if unit not in self.units:
            return [self._error(call, f"{NAME}.NoSuchUnit", f"Unit {unit} not loaded")]
        self.clear(unit, self.units.pop(unit))
        return self.job(call, unit, "done")

    def make(self, unit: str, properties: dict[str, Any]) -> None:
        """Make the unit's cgroup: nothing here."""

    def clear(self, unit: str, properties: dict[str, Any]) -> None:
        """Remove the unit's cgroup: nothing here."""


class OnHost(FakeSystemd):
    """A manager that makes a directory in systemd's own hierarchy of cgroup v1, as systemd does, and nothing else."""

    def _path(self, unit: str, properties: dict[str, Any]) -> str:
        stem = properties["Slice"].removesuffix(".slice").split("-")
        slices = "/".join("-".join(stem[:count]) + ".slice" for count in range(1, len(stem) + 1))
        return f"{TOP}/systemd{self.properties['ControlGroup']}/{slices}/{unit}"

    def make(self, unit: str, properties: dict[str, Any]) -> None:
        path = self._path(unit, properties)
        os.makedirs(path)
        for pid in properties["PIDs"]:
            with open(f"{path}/cgroup.procs", "w") as file:
                file.write(str(pid))

    def clear(self, unit: str, properties: dict[str, Any]) -> None:
        path = self._path(unit, properties)
        while path != f"{TOP}/systemd":
            try:
                os.rmdir(path)
            except FileNotFoundError:
                pass
            except OSError:
                return
            path = os.path.dirname(path)


def read_message(end: socket.socket, buffer: bytearray) -> Message | None:
    """Return the next message; None at the end."""
    while len(buffer) < message.START or len(buffer) < message.length(bytes(buffer[: message.START])):
        data = end.recv(65536)
        if not data:
            return None
        buffer += data
    total = message.length(bytes(buffer[: message.START]))
    found = message.decode(bytes(buffer[:total]))
    del buffer[:total]
    return found


def serve_peer(end: socket.socket, systemd: FakeSystemd) -> None:
    """Be the bus and the manager for one client, until it closes."""
    buffer = bytearray()
    while b"BEGIN\r\n" not in buffer:
        data = end.recv(65536)
        if not data:
            return
        buffer += data
    assert buffer.startswith(b"\0AUTH EXTERNAL\r\n")
    del buffer[: buffer.index(b"BEGIN\r\n") + 7]
    end.sendall(b"DATA\r\nOK 0123456789abcdef0123456789abcdef\r\n")
    while (call := read_message(end, buffer)) is not None:
        end.sendall(b"".join(each.encode() for each in systemd.handle(call)))


def main(address: str, control_group: str, notes: str) -> None:
    """Serve on a real bus until it ends."""
    end = socket.socket(socket.AF_UNIX)
    end.connect(places(address)[0])
    end.sendall(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")
    buffer = bytearray()
    while buffer.count(b"\r\n") < 2:
        buffer += end.recv(4096)
    assert buffer.split(b"\r\n")[1].startswith(b"OK ")
    buffer = bytearray(buffer.split(b"\r\n", 2)[2])
    systemd = OnHost(control_group)
    for member, signature, body in (("Hello", "", ()), ("RequestName", "su", (NAME, 4))):
        systemd.serial += 1
        call = Message(message.CALL, systemd.serial, signature, body)
        call.destination, call.path, call.interface, call.member = BUS, BUS_PATH, BUS, member
        end.sendall(call.encode())
    print("ready", flush=True)
    while (call_or_none := read_message(end, buffer)) is not None:
        if call_or_none.kind == message.CALL:
            answers = systemd.handle(call_or_none)
            with open(notes, "w") as file:
                json.dump([[member, repr(body)] for member, body in systemd.calls], file)
            end.sendall(b"".join(each.encode() for each in answers))


if __name__ == "__main__":
    main(*sys.argv[1:])
