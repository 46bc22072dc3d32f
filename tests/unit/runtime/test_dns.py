"""DNS messages: queries read, answers written."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime import dns

HEADER = struct.Struct("!HHHHHH")
WEB = b"\x03Web\x04test\0"
OPT = b"\0" + struct.pack("!HHIH", 41, 1232, 0x8000, 0)


def message(
    name: bytes = WEB,
    kind: int = dns.A,
    *,
    flags: int = 0x0100,
    counts: tuple[int, ...] = (1, 0, 0, 0),
    rest: bytes = b"",
) -> bytes:
    return HEADER.pack(7, flags, *counts) + name + struct.pack("!HH", kind, 1) + rest


def test_a_query_is_read() -> None:
    query = dns.parse_query(message())
    assert (query.id, query.name, query.kind, query.space) == (7, "web.test", dns.A, dns.IN)
    assert (query.edns, query.dnssec, query.datagram()) == (0, False, 512)


def test_edns_is_read_and_its_size_kept_sane() -> None:
    query = dns.parse_query(message(counts=(1, 0, 0, 1), rest=OPT))
    assert (query.edns, query.dnssec, query.datagram()) == (1232, True, 1232)
    for size, sane in ((0, 512), (65535, 4096)):
        opt = b"\0" + struct.pack("!HHIH", 41, size, 0, 4) + b"\0\x0a\0\0"
        assert dns.parse_query(message(counts=(1, 0, 0, 1), rest=opt)).datagram() == sane


@pytest.mark.parametrize("data", [b"", b"\0" * 11, message(flags=0x8100)])
def test_what_is_no_query_is_not_answered(data: bytes) -> None:
    with pytest.raises(dns.NotAQueryError):
        dns.parse_query(data)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (message(flags=0x2800), dns.NOTIMP),
        (message(counts=(0, 0, 0, 0)), dns.FORMERR),
        (message(counts=(2, 0, 0, 0), rest=WEB + b"\0\1\0\1"), dns.FORMERR),
        (message(counts=(1, 1, 0, 0)), dns.FORMERR),
        (message(counts=(1, 0, 0, 2), rest=OPT * 2), dns.FORMERR),
        (message(counts=(1, 0, 0, 1)), dns.FORMERR),
        (message(rest=b"x"), dns.FORMERR),
        (message(name=b"\xc0\x0c"), dns.FORMERR),  # points to itself
        (message(name=b"\xc0\x00"), dns.FORMERR),  # into the header
        (message(name=b"\x01a\xc0\x0c"), dns.FORMERR),  # a loop
        (message(name=b"\x40" + b"a" * 64 + b"\0"), dns.FORMERR),
        (message(name=(b"\x3f" + b"a" * 63) * 4 + b"\0"), dns.FORMERR),
        (message(counts=(1, 0, 0, 1), rest=b"\1a\0" + OPT[1:]), dns.FORMERR),
        (message()[:-1], dns.FORMERR),
    ],
)
def test_bad_queries_are_answered_by_errors(data: bytes, code: int) -> None:
    with pytest.raises(dns.BadQueryError) as caught:
        dns.parse_query(data)
    id, flags, *counts = HEADER.unpack(caught.value.answer)
    assert id == 7
    assert flags & 0x8000
    assert flags & 0xF == code
    assert counts == [0, 0, 0, 0]


def test_another_version_of_edns_is_refused() -> None:
    with pytest.raises(dns.BadQueryError) as caught:
        dns.parse_query(message(counts=(1, 0, 0, 1), rest=b"\0" + struct.pack("!HHIH", 41, 1232, 1 << 16, 0)))
    answer = caught.value.answer
    assert answer[3] & 0xF == 0
    assert answer.endswith(b"\0" + struct.pack("!HHBBHH", 41, 4096, 1, 0, 0, 0))


@given(st.binary(max_size=80))
@settings(max_examples=200)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for content in (data, HEADER.pack(7, 0x0100, 1, 0, 0, 1) + data):
        try:
            query = dns.parse_query(content)
        except (dns.NotAQueryError, dns.BadQueryError):
            continue
        assert dns.answers(dns.answer(query), query, query.id)
        assert dns.parse_query(dns.request(query, 9)).question() == query.question()


@given(st.lists(st.text("abcXYZ019-_", min_size=1, max_size=20), max_size=8))
@settings(max_examples=100)
def test_names_come_back(labels: list[str]) -> None:
    name = ".".join(labels)
    wire = dns.wire(name)
    assert dns.read_name(b"\0" * 12 + wire, 12) == (wire, 12 + len(wire))
    assert dns.text(wire) == name.lower()


def test_strange_labels_are_no_other_name() -> None:
    assert dns.text(b"\x03a.b\0") == "a\\046b"
    assert dns.text(b"\x01\xe4\0") == "\\228"
    for name in ("a..b", "a" * 64, ".".join(["a" * 63] * 4)):
        with pytest.raises(ValueError):
            dns.wire(name)


def test_a_compressed_name_is_read() -> None:
    content = b"\0" * 12 + WEB + b"\1a\xc0\x10"
    assert dns.read_name(content, 12 + len(WEB)) == (b"\1a\4test\0", len(content))


def test_an_answer_has_its_records() -> None:
    query = dns.parse_query(message())
    answer = dns.answer(query, records=[(dns.A, b"\x0a\x59\0\2")], ours=True)
    assert answer == (
        HEADER.pack(7, 0x8580, 1, 1, 0, 0) + WEB + b"\0\1\0\1" + b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4\x0a\x59\0\2"
    )


def test_what_does_not_fit_is_left_out_and_told() -> None:
    query = dns.parse_query(message(counts=(1, 0, 0, 1), rest=OPT))
    answer = dns.answer(query, records=[(dns.A, bytes(4))] * 100, limit=512)
    _, flags, _, count, _, options = HEADER.unpack_from(answer)
    assert flags & 0x0200
    assert 0 < count < 100
    assert options == 1
    assert 480 < len(answer) <= 512
    whole = dns.answer(query, records=[(dns.A, bytes(4))] * 100)
    assert HEADER.unpack_from(whole)[1] & 0x0200 == 0


def test_only_the_answer_to_the_question_counts() -> None:
    query = dns.parse_query(message())
    asked = dns.request(query, 99)
    good = asked[:2] + b"\x81\x80" + asked[4:]
    assert dns.answers(good, query, 99)
    assert dns.answers(good.replace(b"Web", b"wEB"), query, 99)
    assert not dns.answers(good, query, 98)
    assert not dns.answers(asked, query, 99)
    assert not dns.answers(good.replace(b"Web", b"Wab"), query, 99)
    assert not dns.answers(good[:-4] + b"\0\x1c\0\1", query, 99)
    assert not dns.answers(good[:20], query, 99)


def test_an_answer_is_passed_on_with_the_askers_id() -> None:
    query = dns.parse_query(message())
    given = HEADER.pack(99, 0x8183, 1, 0, 0, 0) + query.question()
    assert dns.passed_on(given, query, 512) == HEADER.pack(7, 0x8183, 1, 0, 0, 0) + query.question()
    short = dns.passed_on(given + bytes(600), query, 512)
    assert short == HEADER.pack(7, 0x8383, 1, 0, 0, 0) + query.question()


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("2.0.89.10.in-addr.arpa", b"\x0a\x59\0\2"),
        (f"{'.'.join('2' + '0' * 29 + 'df')}.ip6.arpa", b"\xfd" + bytes(14) + b"\2"),
        ("89.10.in-addr.arpa", None),
        ("300.0.89.10.in-addr.arpa", None),
        ("a.0.89.10.in-addr.arpa", None),
        ("20.0.ip6.arpa", None),
        ("web.test", None),
    ],
)
def test_addresses_of_reverse_names(name: str, address: bytes | None) -> None:
    assert dns.reversed_address(name) == address
