"""D-Bus values and messages as bytes: examples that other programs made, round trips, damaged bytes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.dbus import message
from runtime.dbus.message import Message
from runtime.dbus.text import parse
from runtime.dbus.wire import Variant, WireError, marshal, split, unmarshal

# What libdbus puts on the wire for its Hello.
HELLO = (
    b"l\x01\x00\x01\x00\x00\x00\x00\x01\x00\x00\x00\x6d\x00\x00\x00"
    b"\x01\x01o\x00\x15\x00\x00\x00/org/freedesktop/DBus\x00\x00\x00"
    b"\x02\x01s\x00\x14\x00\x00\x00org.freedesktop.DBus\x00\x00\x00\x00"
    b"\x03\x01s\x00\x05\x00\x00\x00Hello\x00\x00\x00"
    b"\x06\x01s\x00\x14\x00\x00\x00org.freedesktop.DBus\x00\x00\x00\x00"
)


def test_hello_is_the_same_as_of_others() -> None:
    call = Message(message.CALL, 1)
    call.path, call.interface = "/org/freedesktop/DBus", "org.freedesktop.DBus"
    call.member, call.destination = "Hello", "org.freedesktop.DBus"
    assert call.encode() == HELLO
    assert message.length(HELLO[:16]) == len(HELLO)
    assert message.decode(HELLO).member == "Hello"


@pytest.mark.parametrize(
    ("signature", "values", "data"),
    [
        ("y", (7,), b"\x07"),
        ("b", (True,), b"\x01\0\0\0"),
        ("yu", (1, 2), b"\x01\0\0\0\x02\0\0\0"),
        ("yt", (1, 2), b"\x01" + bytes(7) + b"\x02" + bytes(7)),
        ("s", ("foo",), b"\x03\0\0\0foo\0"),
        ("g", ("a{sv}",), b"\x05a{sv}\0"),
        ("as", (["a", "b"],), b"\x0e\0\0\0\x01\0\0\0a\0\0\0\x01\0\0\0b\0"),
        ("at", ([],), bytes(8)),
        ("ay", (b"xyz",), b"\x03\0\0\0xyz"),
        ("v", (Variant("u", 5),), b"\x01u\0\0\x05\0\0\0"),
        ("(yy)", ((1, 2),), b"\x01\x02"),
        ("a{yy}", ({1: 2},), b"\x02\0\0\0\0\0\0\0\x01\x02"),
        ("x", (-1,), b"\xff" * 8),
    ],
)
def test_known_bytes(signature: str, values: tuple[Any, ...], data: bytes) -> None:
    assert marshal(signature, values) == data
    assert unmarshal(signature, data) == values


def test_big_endian_is_read() -> None:
    assert unmarshal("us", b"\0\0\0\x05\0\0\0\x01x\0", little=False) == (5, "x")


def test_types_of_a_signature() -> None:
    assert split("sa(sv)a{ou}aay") == ["s", "a(sv)", "a{ou}", "aay"]
    for bad in ("a", "(", "()", "(s", "a{s}", "a{vs}", "a{sss}", "z", "{ss}", "h", "a" * 65 + "y", "y" * 256):
        with pytest.raises(WireError, match="signature"):
            split(bad)


NUMBERS = {"y": (0, 8), "n": (15, 15), "q": (0, 16), "i": (31, 31), "u": (0, 32), "x": (63, 63), "t": (0, 64)}
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


def basic(code: str) -> st.SearchStrategy[Any]:
    if code in NUMBERS:
        below, above = NUMBERS[code]
        return st.integers(-(1 << below) if below else 0, (1 << above) - 1)
    if code == "b":
        return st.booleans()
    if code == "d":
        return st.floats(allow_nan=False)
    return TEXT if code == "s" else st.just("/a") if code == "o" else st.just("a(iu)")


SIGNATURES = st.recursive(
    st.sampled_from([*NUMBERS, *"bdsogv"]),
    lambda inner: st.one_of(
        inner.map(lambda kind: f"a{kind}"),
        st.lists(inner, min_size=1, max_size=3).map(lambda kinds: f"({''.join(kinds)})"),
        st.tuples(st.sampled_from([*"yiuxtsb"]), inner).map(lambda pair: f"a{{{pair[0]}{pair[1]}}}"),
    ),
    max_leaves=6,
)


@st.composite
def values(draw: st.DrawFn, kind: str) -> Any:
    if kind == "v":
        inner = draw(st.sampled_from(["u", "s", "as", "(sb)", "a{sv}"]))
        return Variant(inner, draw(values(inner)) if inner != "a{sv}" else {})
    if kind == "ay":
        return draw(st.binary(max_size=20))
    if kind.startswith("a{"):
        return draw(st.dictionaries(basic(kind[2]), values(kind[3:-1]), max_size=3))
    if kind.startswith("a"):
        return draw(st.lists(values(kind[1:]), max_size=3))
    if kind.startswith("("):
        return tuple(draw(values(member)) for member in split(kind[1:-1]))
    return draw(basic(kind))


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, tuple[Any, ...]]:
    kinds = draw(st.lists(SIGNATURES, max_size=4))
    return "".join(kinds), tuple(draw(values(kind)) for kind in kinds)


@given(bodies())
def test_messages_come_back(body: tuple[str, tuple[Any, ...]]) -> None:
    sent = Message(message.SIGNAL, 9, *body)
    sent.path, sent.interface, sent.member, sent.sender = "/x", "a.b", "C", ":1.2"
    data = sent.encode()
    assert message.length(data) == len(data)
    got = message.decode(data)
    assert (got.kind, got.serial, got.signature, got.body) == (4, 9, *body)
    assert (got.path, got.interface, got.member, got.sender, got.error) == ("/x", "a.b", "C", ":1.2", "")


@given(bodies(), st.data())
def test_damaged_messages_are_refused_or_read_but_nothing_else(body: Any, data: st.DataObject) -> None:
    raw = bytearray(Message(message.RETURN, 1, *body).encode())
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    try:
        message.length(bytes(raw))
        message.decode(bytes(raw))
    except WireError:
        pass


@given(st.binary(min_size=16, max_size=200))
def test_any_bytes_are_refused_or_read(raw: bytes) -> None:
    for data in (raw, b"l" + raw[1:], b"l\x02\0\x01" + raw[4:]):
        try:
            message.length(data)
            message.decode(data)
        except WireError:
            pass


@pytest.mark.parametrize(
    ("signature", "value"),
    [
        ("y", 256),
        ("u", -1),
        ("s", 5),
        ("s", "a\0b"),
        ("s", "\ud800"),
        ("as", [1]),
        ("(ss)", ("a",)),
        ("v", Variant("", 0)),
    ],
)
def test_what_is_not_of_the_type(signature: str, value: Any) -> None:
    with pytest.raises(WireError):
        marshal(signature, (value,))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", Variant("b", True)),
        ("'it\\'s\\t\\u00e4'", Variant("s", "it's\tä")),
        ('"x"', Variant("s", "x")),
        ("5", Variant("i", 5)),
        ("-0x10", Variant("i", -16)),
        ("1.5", Variant("d", 1.5)),
        ("double 2", Variant("d", 2.0)),
        ("uint64 18446744073709551615", Variant("t", (1 << 64) - 1)),
        ("@t 7", Variant("t", 7)),
        ("objectpath '/a'", Variant("o", "/a")),
        ("['a', 'b']", Variant("as", ["a", "b"])),
        ("@as []", Variant("as", [])),
        ("[byte 1, 2]", Variant("ay", b"\x01\x02")),
        ("[('a', uint32 1), ('b', 2)]", Variant("a(su)", [("a", 1), ("b", 2)])),
        ("{'a': <1>, 'b': <'x'>}", Variant("a{sv}", {"a": Variant("i", 1), "b": Variant("s", "x")})),
    ],
)
def test_values_as_text(text: str, value: Variant) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "x",
            "'a",
            "[",
            "[]",
            "{}",
            "()",
            "5 5",
            "uint32 -1",
            "byte 256",
            "[1, 'a']",
            "@z 5",
            "@as 5",
            "<",
            "[[]]",
        ),
        *("'\\u00'", "[" * 100, "{[1]: 2}", "[byte 1, 700]"),
    ],
)
def test_texts_that_mean_nothing(text: str) -> None:
    with pytest.raises(WireError):
        parse(text)


@given(st.text("ab'\"[](){}<>:,@ 019.-uintsyva\\", max_size=30))
def test_any_text_is_refused_or_read(text: str) -> None:
    try:
        parse(text)
    except WireError:
        pass
