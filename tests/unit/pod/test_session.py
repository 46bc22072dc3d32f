import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod.cli.session import DetachScanner, parse_detach_keys
from pod.errors import PodError


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("ctrl-p,ctrl-q", b"\x10\x11"),
        ("", b""),
        ("a", b"a"),
        ("ctrl-@", b"\0"),
        ("ctrl-[,x,ctrl-_", b"\x1bx\x1f"),
        ("ctrl-A", b"\x01"),
    ],
)
def test_detach_keys(text: str, keys: bytes) -> None:
    assert parse_detach_keys(text) == keys


@pytest.mark.parametrize("text", ["ctrl-", "ctrl-pp", "ab", "ctrl-p,", "ctrl-1", "é", "ctrl-é"])
def test_bad_detach_keys(text: str) -> None:
    with pytest.raises(PodError, match="invalid detach keys"):
        parse_detach_keys(text)


def test_keys_are_found_across_reads() -> None:
    scanner = DetachScanner(b"\x10\x11")
    assert scanner.feed(b"ab\x10") == (b"ab", False)
    assert scanner.feed(b"\x11cd") == (b"", True)


def test_beginning_of_the_keys_is_passed_on_when_it_was_none() -> None:
    scanner = DetachScanner(b"\x10\x11")
    assert scanner.feed(b"\x10") == (b"", False)
    assert scanner.feed(b"x") == (b"\x10x", False)
    assert scanner.feed(b"\x10") == (b"", False)
    assert scanner.rest() == b"\x10"


@given(st.lists(st.binary(max_size=5)), st.binary(min_size=1, max_size=3))
def test_scanner_loses_nothing(reads: list[bytes], keys: bytes) -> None:
    scanner = DetachScanner(keys)
    passed = b""
    for data in reads:
        part, detached = scanner.feed(data)
        passed += part
        if detached:
            assert b"".join(reads).startswith(passed + keys)
            assert keys not in passed
            return
    assert passed + scanner.rest() == b"".join(reads)
    assert keys not in b"".join(reads)
