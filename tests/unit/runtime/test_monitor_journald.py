import array
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.monitor.eventlog import EventLog
from runtime.monitor.journald import JournalLog, Sender, field
from runtime.monitor.log import STDERR, STDOUT


class FakeJournal:
    """A socket where journald's would be."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(5)

    def receive(self) -> bytes:
        data, ancillary, _, _ = self.socket.recvmsg(1 << 20, socket.CMSG_SPACE(4))
        for _, _, rights in ancillary:
            fd = array.array("i", rights)[0]
            data = os.pread(fd, os.fstat(fd).st_size, 0)
            with pytest.raises(OSError, match="not permitted"):
                os.ftruncate(fd, 0)  # it is sealed
            os.close(fd)
        return data

    def fields(self) -> dict[str, bytes]:
        """Receive an entry and return its fields."""
        data, found = self.receive(), {}
        while data:
            line, _, rest = data.partition(b"\n")
            name, equals, value = line.partition(b"=")
            if not equals:
                size = int.from_bytes(rest[:8], "little")
                value, rest = rest[8 : 8 + size], rest[9 + size :]
            found[name.decode()] = value
            data = rest
        return found


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[FakeJournal]:
    fake = FakeJournal(str(tmp_path / "socket"))
    yield fake
    fake.socket.close()


def test_fields_with_lines_in_them_have_their_length() -> None:
    assert field("A", "b=c") == b"A=b=c\n"
    assert field("A", "b\nc") == b"A\n\3\0\0\0\0\0\0\0b\nc\n"


def test_an_entry_for_each_line(journal: FakeJournal) -> None:
    log = JournalLog(journal.path, field("CONTAINER_NAME", "web"))
    log.write(STDOUT, b"one\ntw")
    log.write(STDERR, b"oops\n")
    log = JournalLog(*log.freeze())
    log.write(STDOUT, b"o\n\n")
    log.write(STDOUT, b"rest")
    log.close()
    expected = [(b"one", b"6"), (b"oops", b"3"), (b"two", b"6"), (b"", b"6")]
    for message, priority in expected:
        assert journal.fields() == {"CONTAINER_NAME": b"web", "PRIORITY": priority, "MESSAGE": message}
    assert journal.fields()["CONTAINER_PARTIAL_MESSAGE"] == b"true"


def test_a_long_line_comes_in_pieces(journal: FakeJournal) -> None:
    log = JournalLog(journal.path, b"")
    log.write(STDOUT, b"x" * 60000)
    log.write(STDOUT, b"y\n")
    log.close()
    first, second = journal.fields(), journal.fields()
    assert first["CONTAINER_PARTIAL_MESSAGE"] == b"true"
    assert "CONTAINER_PARTIAL_MESSAGE" not in second
    assert first["MESSAGE"] + second["MESSAGE"] == b"x" * 60000 + b"y"


def test_what_is_too_large_for_a_datagram_goes_by_a_sealed_file(journal: FakeJournal) -> None:
    entry = field("MESSAGE", b"x" * 3_000_000)
    sender = Sender(journal.path)
    assert sender.send(entry)
    sender.close()
    assert journal.receive() == entry


def test_what_the_journal_did_not_take_is_told(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    log = JournalLog(path, b"")
    log.write(STDOUT, b"lost\n")
    fake = FakeJournal(path)
    log.write(STDOUT, b"here\n")
    assert fake.fields()["MESSAGE"] == b"pod: 5 bytes of output were lost: the journal did not take them"
    assert fake.fields()["MESSAGE"] == b"here"
    log.close()
    fake.socket.close()


def test_events_have_podmans_fields(journal: FakeJournal) -> None:
    fixed = field("PODMAN_TYPE", "container") + field("PODMAN_ID", "abc")
    log = EventLog("", 0, fixed, "web", journal=journal.path)
    EventLog.thaw(log.freeze()).write("died", {"ContainerExitCode": 3})
    found = journal.fields()
    assert found.pop("PODMAN_TIME").endswith(b"Z")
    assert found == {
        "PODMAN_TYPE": b"container",
        "PODMAN_ID": b"abc",
        "PODMAN_EVENT": b"died",
        "PODMAN_NAME": b"web",
        "PODMAN_EXIT_CODE": b"3",
        "PRIORITY": b"6",
        "MESSAGE": b"died web",
    }
