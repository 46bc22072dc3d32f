"""Messages of D-Bus: a fixed header, fields, a body (D-Bus specification, "Message Protocol"). Pure."""

from __future__ import annotations

import struct

from runtime.dbus.wire import Variant, WireError, marshal, unmarshal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CALL, RETURN, ERROR, SIGNAL = 1, 2, 3, 4
MAX_LENGTH = 1 << 27
START = 16  # bytes by which the length of a message can be told
_VERSION = 1
# Field of Message -> code and type in the header.
_FIELDS = {
    "path": (1, "o"),
    "interface": (2, "s"),
    "member": (3, "s"),
    "error": (4, "s"),
    "reply_to": (5, "u"),
    "destination": (6, "s"),
    "sender": (7, "s"),
    "signature": (8, "g"),
}
_NAMES = {code: (name, kind) for name, (code, kind) in _FIELDS.items()}


class Message:
    """One message. What a field is for depends on the kind: the specification's table of header fields."""

    __slots__ = (
        "body",
        "destination",
        "error",
        "interface",
        "kind",
        "member",
        "path",
        "reply_to",
        "sender",
        "serial",
        "signature",
    )

    def __init__(self, kind: int, serial: int, signature: str = "", body: tuple[Any, ...] = ()) -> None:
        self.kind = kind
        self.serial = serial
        self.signature = signature
        self.body = body
        self.path = self.interface = self.member = self.error = self.destination = self.sender = ""
        self.reply_to = 0

    def encode(self) -> bytes:
        """Return the message's bytes."""
        body = marshal(self.signature, self.body)
        fields = [
            (code, Variant(kind, value)) for name, (code, kind) in _FIELDS.items() if (value := getattr(self, name))
        ]
        header = marshal("yyyyuua(yv)", (ord("l"), self.kind, 0, _VERSION, len(body), self.serial, fields))
        return header + bytes(-len(header) % 8) + body


def length(start: bytes) -> int:
    """Return how long the message is that begins with these bytes, at least START of them."""
    order = _order(start)
    (body,) = struct.unpack_from(order + "I", start, 4)
    (fields,) = struct.unpack_from(order + "I", start, 12)
    total: int = START + fields + (-fields % 8) + body
    if total > MAX_LENGTH:
        raise WireError(f"a message of {total} bytes")
    return total


def decode(data: bytes) -> Message:
    """Return the message that these bytes are; fields that are not known are passed over."""
    little = _order(data) == "<"
    (fields_length,) = struct.unpack_from(_order(data) + "I", data, 12)
    end = START + fields_length
    _, kind, _, version, _, serial, fields = unmarshal("yyyyuua(yv)", data[:end], little=little)
    if version != _VERSION:
        raise WireError(f"a message of protocol version {version}")
    message = Message(kind, serial)
    for code, variant in fields:
        name, expected = _NAMES.get(code, ("", ""))
        if name and variant.signature != expected:
            raise WireError(f"header field {name} is of type {variant.signature}")
        if name:
            setattr(message, name, variant.value)
    message.body = unmarshal(message.signature, data[end + -end % 8 :], little=little)
    return message


def _order(data: bytes) -> str:
    if data[:1] == b"l":
        return "<"
    if data[:1] == b"B":
        return ">"
    raise WireError("the message has no byte order")
