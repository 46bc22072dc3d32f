"""Values as D-Bus marshals them, and back (D-Bus specification, "Marshaling (Wire Format)"). Pure.

In Python: numbers are int and float, `s` `o` `g` are str, an array is a list (`ay` is bytes), a struct is a tuple,
a dictionary is a dict, a variant is a Variant. File descriptors (`h`) are not needed and not known.
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

MAX_ARRAY = 1 << 26
_MAX_DEPTH = 64
_MAX_SIGNATURE = 255
# The code of a basic type of fixed size -> its format for struct, and its size, to which it is aligned.
_FIXED = {
    "y": ("B", 1),
    "b": ("I", 4),
    "n": ("h", 2),
    "q": ("H", 2),
    "i": ("i", 4),
    "u": ("I", 4),
    "x": ("q", 8),
    "t": ("Q", 8),
    "d": ("d", 8),
}
_TEXTS = "sog"
_ALIGNMENT = {"s": 4, "o": 4, "g": 1, "v": 1, "a": 4, "(": 8, "{": 8}
_BASIC = frozenset(_FIXED) | frozenset(_TEXTS)


class WireError(ValueError):
    """Bytes or values that are not what the signature says."""


class Variant:
    """A value that carries its type, one complete one."""

    __slots__ = ("signature", "value")

    def __init__(self, signature: str, value: Any) -> None:
        self.signature = signature
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Variant) and (self.signature, self.value) == (other.signature, other.value)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Variant({self.signature!r}, {self.value!r})"


def split(signature: str) -> list[str]:
    """Return the complete types that a signature is made of."""
    if len(signature) > _MAX_SIGNATURE:
        raise WireError(f"signature of {len(signature)} characters")
    types, position = [], 0
    while position < len(signature):
        end = _end_of_type(signature, position, 0)
        types.append(signature[position:end])
        position = end
    return types


def _end_of_type(signature: str, start: int, depth: int) -> int:
    code = signature[start : start + 1]
    if depth > _MAX_DEPTH:
        raise WireError(f"signature {signature!r}: nested too deeply")
    if code in _BASIC or code == "v":
        return start + 1
    if code == "a":
        if signature[start + 1 : start + 2] == "{":
            return _end_of_entry(signature, start + 1, depth + 1)
        return _end_of_type(signature, start + 1, depth + 1)
    if code == "(":
        position = start + 1
        while signature[position : position + 1] != ")":
            position = _end_of_type(signature, position, depth + 1)
        if position == start + 1:
            raise WireError(f"signature {signature!r}: an empty struct")
        return position + 1
    raise WireError(f"signature {signature!r}: no type at {start}")


def _end_of_entry(signature: str, start: int, depth: int) -> int:
    if signature[start + 1 : start + 2] not in _BASIC:
        raise WireError(f"signature {signature!r}: the key of a dictionary is not a basic type")
    end = _end_of_type(signature, start + 2, depth)
    if signature[end : end + 1] != "}":
        raise WireError(f"signature {signature!r}: a dictionary has one key and one value")
    return end + 1


def marshal(signature: str, values: tuple[Any, ...]) -> bytes:
    """Return the bytes of values, aligned for a place that is a multiple of 8."""
    types = split(signature)
    if len(types) != len(values):
        raise WireError(f"{len(values)} values for signature {signature!r}")
    out = bytearray()
    for kind, value in zip(types, values, strict=True):
        _put(out, kind, value, 0)
    return bytes(out)


def _pad(out: bytearray, alignment: int) -> None:
    out += bytes(-len(out) % alignment)


def _put(out: bytearray, kind: str, value: Any, depth: int) -> None:
    code = kind[0]
    if depth > _MAX_DEPTH:
        raise WireError("values are nested too deeply")
    if code in _FIXED:
        form, size = _FIXED[code]
        _pad(out, size)
        try:
            out += struct.pack("<" + form, bool(value) if code == "b" else value)
        except struct.error as error:
            raise WireError(f"{value!r} is not of type {code}: {error}") from error
    elif code in _TEXTS:
        _put_text(out, code, value)
    elif code == "v":
        if len(split(value.signature)) != 1:
            raise WireError(f"a variant of signature {value.signature!r} is not one value")
        _put_text(out, "g", value.signature)
        _put(out, value.signature, value.value, depth + 1)
    elif code == "a":
        _put_array(out, kind, value, depth)
    else:
        members = split(kind[1:-1])
        if len(members) != len(value):
            raise WireError(f"{len(value)} values for {kind!r}")
        _pad(out, 8)
        for member, part in zip(members, value, strict=True):
            _put(out, member, part, depth + 1)


def _put_text(out: bytearray, code: str, value: Any) -> None:
    if not isinstance(value, str) or "\0" in value:
        raise WireError(f"{value!r} is not of type {code}")
    try:
        data = value.encode()
    except UnicodeEncodeError as error:
        raise WireError(f"{value!r} is not valid text: {error.reason}") from error
    if code == "g":
        split(value)
        out.append(len(data))
    else:
        _pad(out, 4)
        out += struct.pack("<I", len(data))
    out += data + b"\0"


def _put_array(out: bytearray, kind: str, value: Any, depth: int) -> None:
    element = kind[1:]
    _pad(out, 4)
    place = len(out)
    out += bytes(4)
    _pad(out, _alignment(element))
    start = len(out)  # the length does not count the padding before the first element
    if element == "y":
        out += bytes(value)
    elif element[0] == "{":
        key_type, value_type = element[1], element[2:-1]
        for key, each in value.items():
            _pad(out, 8)
            _put(out, key_type, key, depth + 1)
            _put(out, value_type, each, depth + 1)
    else:
        for each in value:
            _put(out, element, each, depth + 1)
    if len(out) - start > MAX_ARRAY:
        raise WireError(f"an array of {len(out) - start} bytes")
    struct.pack_into("<I", out, place, len(out) - start)


def _alignment(kind: str) -> int:
    code = kind[0]
    return _FIXED[code][1] if code in _FIXED else _ALIGNMENT[code]


def unmarshal(signature: str, data: bytes, *, little: bool = True) -> tuple[Any, ...]:
    """Return the values in bytes that came from a place that is a multiple of 8; all of the bytes are used."""
    reader = _Reader(data, little)
    values = tuple(reader.take(kind, 0) for kind in split(signature))
    if reader.position != len(data):
        raise WireError(f"{len(data) - reader.position} bytes more than signature {signature!r} needs")
    return values


class _Reader:
    __slots__ = ("data", "order", "position")

    def __init__(self, data: bytes, little: bool) -> None:
        self.data = data
        self.order = "<" if little else ">"
        self.position = 0

    def take(self, kind: str, depth: int) -> Any:
        code = kind[0]
        if depth > _MAX_DEPTH:
            raise WireError("values are nested too deeply")
        if code in _FIXED:
            return self._fixed(code)
        if code in _TEXTS:
            return self._text(code)
        if code == "v":
            signature = self._text("g")
            if len(split(signature)) != 1:
                raise WireError(f"a variant of signature {signature!r} is not one value")
            return Variant(signature, self.take(signature, depth + 1))
        if code == "a":
            return self._array(kind[1:], depth)
        self._align(8)
        return tuple(self.take(member, depth + 1) for member in split(kind[1:-1]))

    def _align(self, alignment: int) -> None:
        count = -self.position % alignment
        if any(self._bytes(count)):
            raise WireError("the padding is not zero")

    def _bytes(self, count: int) -> bytes:
        start = self.position
        if count > len(self.data) - start:
            raise WireError("the message ends within a value")
        self.position += count
        return self.data[start : start + count]

    def _fixed(self, code: str) -> Any:
        form, size = _FIXED[code]
        self._align(size)
        (value,) = struct.unpack(self.order + form, self._bytes(size))
        if code == "b":
            if value > 1:
                raise WireError(f"{value} is not a boolean")
            return bool(value)
        return value

    def _text(self, code: str) -> str:
        length = self._bytes(1)[0] if code == "g" else self._fixed("u")
        data = self._bytes(length + 1)
        if data[-1] or b"\0" in data[:-1]:
            raise WireError("a text is not ended by its only zero byte")
        try:
            text = data[:-1].decode()
        except UnicodeDecodeError as error:
            raise WireError(f"a text is not UTF-8: {error.reason}") from error
        if code == "g":
            split(text)
        return text

    def _array(self, element: str, depth: int) -> Any:
        length = self._fixed("u")
        if length > MAX_ARRAY:
            raise WireError(f"an array of {length} bytes")
        self._align(_alignment(element))
        end = self.position + length
        if end > len(self.data):
            raise WireError("the message ends within an array")
        if element == "y":
            return self._bytes(length)
        if element[0] == "{":
            result: Any = dict(self._entries(element[1], element[2:-1], end, depth))
        else:
            result = []
            while self.position < end:
                result.append(self.take(element, depth + 1))
        if self.position != end:
            raise WireError("an array does not end with an element")
        return result

    def _entries(self, key_type: str, value_type: str, end: int, depth: int) -> Iterator[tuple[Any, Any]]:
        while self.position < end:
            self._align(8)
            yield self.take(key_type, depth + 1), self.take(value_type, depth + 1)
