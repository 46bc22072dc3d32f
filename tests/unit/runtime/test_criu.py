"""The messages to CRIU: protocol buffers, as far as they are needed."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.checkpoints import criu
from runtime.checkpoints.criu import CriuError, decode, encode


@given(
    st.lists(
        st.tuples(st.integers(1, 2**29 - 1), st.integers(0, 2**64 - 1) | st.binary(max_size=300)),
        unique_by=lambda entry: entry[0],
        max_size=10,
    )
)
def test_what_was_encoded_is_decoded(fields: list[tuple[int, int | bytes]]) -> None:
    assert decode(encode(fields)) == dict(fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        # The examples of the specification (protobuf.dev, "Encoding").
        ([(1, 150)], b"\x08\x96\x01"),
        ([(2, "testing")], b"\x12\x07testing"),
        ([(3, encode([(1, 150)]))], b"\x1a\x03\x08\x96\x01"),
        ([(1, True), (2, False)], b"\x08\x01\x10\x00"),
        # A negative int32 has the ten bytes of a 64-bit number.
        ([(1, -1)], b"\x08" + b"\xff" * 9 + b"\x01"),
    ],
)
def test_known_messages(fields: list[tuple[int, criu.Value]], message: bytes) -> None:
    assert encode(fields) == message


def test_fields_of_other_kinds_are_passed_over() -> None:
    assert decode(b"\x09" + bytes(8) + b"\x15\x01\x00\x00\x00\x18\x05") == {1: bytes(8), 2: b"\x01\0\0\0", 3: 5}


@given(st.binary(max_size=50))
def test_no_message_is_too_malformed(message: bytes) -> None:
    with contextlib.suppress(ValueError):
        decode(message)


def test_finding_the_program(tmp_path: Path) -> None:
    program = tmp_path / "criu"
    program.write_text("")
    with pytest.raises(CriuError, match="was not found"):
        criu.find("criu", str(tmp_path))
    program.chmod(0o755)
    assert criu.find("criu", f"/no/where:{tmp_path}") == str(program)
    assert criu.find(str(program), "") == str(program)


_PLAYED = """#!{python} -IS
import _socket, sys
sys.path.insert(0, {source!r})
from runtime.checkpoints.criu import decode, encode
end = _socket.socket(fileno=int(sys.argv[2]))
request = decode(end.recv(65536))
options = decode(request[2])
if options[2] == 1:
    end.send(encode([(1, 6), (2, True), (5, encode([(1, "setup-namespaces"), (2, 77)]))]))
    assert decode(end.recv(100)) == {{1: 6, 3: 1}}
    end.send(encode([(1, request[1]), (2, True), (4, encode([(1, 4711)]))]))
elif options[2] == 2:
    end.send(encode([(1, request[1]), (2, False), (7, 3)]))
"""


def test_a_conversation(tmp_path: Path) -> None:
    import sys

    program = tmp_path / "criu"
    source = str(Path(criu.__file__).parents[2])
    program.write_text(_PLAYED.format(python=sys.executable, source=source))
    program.chmod(0o755)
    log = tmp_path / "log"
    log.write_text("(00.1) fine\n(00.2) Error (criu/x.c:1): thing: is broken\n(00.3) Error (criu/y.c:2): later\n")
    told: list[tuple[str, int]] = []

    def ask(number: int, kind: int = criu.RESTORE) -> int:
        options: list[criu.Field] = [(2, number)]
        notify = lambda script, pid, _fds: told.append((script, pid))  # noqa: E731
        return criu.run(str(program), kind, options, str(log), notify, lambda: None)

    assert ask(1) == 4711
    assert told == [("setup-namespaces", 77)]
    with pytest.raises(CriuError, match=r"could not checkpoint the container: thing: is broken: No such process$"):
        ask(2, criu.DUMP)
    log.unlink()
    with pytest.raises(CriuError, match=r"could not restore the container: it ended without an answer$"):
        ask(3)
