from __future__ import annotations

import os

import pytest

from runtime import sync
from runtime.errors import CommandNotFoundError, NotExecutableError, OCIRuntimeError


def test_packets_and_file_descriptors() -> None:
    one, other = sync.channel()
    reading, writing = os.pipe()
    one.send("terminal", {"a": 1}, (writing,))
    kind, payload, fds = other.receive()
    assert (kind, payload, len(fds)) == ("terminal", {"a": 1}, 1)
    assert not os.get_inheritable(fds[0])
    os.write(fds[0], b"x")
    assert os.read(reading, 1) == b"x"
    for fd in (reading, writing, *fds):
        os.close(fd)
    one.close()
    assert other.receive() == ("", None, [])
    with pytest.raises(sync.ChannelClosedError):
        other.send("go")
    with pytest.raises(sync.ChannelClosedError):
        other.expect("go")
    other.close()


def test_a_failure_is_raised_as_what_it_was() -> None:
    one, other = sync.channel()
    one.send_error(NotExecutableError("no", hint="do"))
    with pytest.raises(NotExecutableError, match=r"^no$") as raised:
        other.receive()
    assert raised.value.hint == "do"
    one.send_error(FileNotFoundError(2, "No such file", b"/x"), "mount")
    with pytest.raises(OCIRuntimeError, match=r"^mount: `/x`: No such file$"):
        other.receive()
    one.close()
    other.close()


@pytest.mark.parametrize("name", ["Exception", "SystemExit", "annotations", "__builtins__", "nonsense"])
def test_only_errors_of_the_runtime_are_revived(name: str) -> None:
    assert type(sync.revive([name, "m", ""])) is OCIRuntimeError
    assert type(sync.revive(["CommandNotFoundError", "m", ""])) is CommandNotFoundError


def test_errno_of_the_trampoline() -> None:
    one, other = sync.channel()
    os.write(one.fileno(), (8).to_bytes(4, "little"))
    assert other.receive() == ("errno", 8, [])
    one.close()
    other.close()


@pytest.mark.parametrize(
    "packet", [b"x", b"[]", b"[1,2]", b"{}", b'"ab"', b"[" * 60_000, b'["error"]', b'[["error"],1]', b"\xff" * 9]
)
def test_what_a_hostile_process_may_send_is_an_error_of_the_runtime(packet: bytes) -> None:
    with pytest.raises(OCIRuntimeError, match="no message"):
        sync.parse(packet)


@pytest.mark.parametrize("payload", [None, 1, [], ["a", "b"], ["a", "b", 3], {"a": 1}, ["__init__", "b", "c", "d"]])
def test_what_is_no_error_is_revived_as_one_all_the_same(payload: object) -> None:
    assert "without a message" in str(sync.revive(payload))


def test_the_last_word_of_who_has_gone_is_heard() -> None:
    one, other = sync.channel()
    assert one.last_error() is None
    other.send("mounted")
    other.send_error(NotExecutableError("no"))
    one.send("go")
    other.close()  # with that unread, which resets the connection
    with pytest.raises(sync.ChannelClosedError):
        one.send("more")
    assert isinstance(one.last_error(), NotExecutableError)
    assert one.last_error() is None
    one.close()
